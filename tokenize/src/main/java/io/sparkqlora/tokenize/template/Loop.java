// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** The variable {@code loop} inside a loop's body. */
final class Loop implements HasAttributes {

    private static final Object NOTHING = new Object();

    private Iterator<Object> items;
    /** An item taken before its turn, to look ahead. */
    private Object ahead = NOTHING;

    private long length;
    private long index0 = -1;
    private Object current;
    private Object before;
    private List<Object> lastChanged;

    /** @param length how many items there are, or −1 if only running through them tells */
    Loop(Iterator<Object> items, long length) {
        this.items = items;
        this.length = length;
    }

    boolean hasNext() {
        return ahead != NOTHING || items.hasNext();
    }

    Object next() {
        before = current;
        current = ahead != NOTHING ? ahead : items.next();
        ahead = NOTHING;
        index0++;
        return current;
    }

    @Override
    public String typeName() {
        return "jinja2.runtime.LoopContext";
    }

    @Override
    public Object attribute(String name) {
        return switch (name) {
            case "index" -> index0 + 1;
            case "index0" -> index0;
            case "first" -> index0 == 0;
            case "last" -> !hasNext();
            case "length" -> length();
            case "revindex" -> length() - index0;
            case "revindex0" -> length() - index0 - 1;
            case "depth" -> 1L;
            case "depth0" -> 0L;
            case "previtem" -> index0 == 0 ? Undefined.hint("there is no previous item") : before;
            case "nextitem" -> nextItem();
            case "cycle" -> new Callable("cycle", this::cycle);
            case "changed" -> new Callable("changed", this::changed);
            default -> ABSENT;
        };
    }

    private long length() {
        if (length < 0) {
            List<Object> rest = new ArrayList<>();
            items.forEachRemaining(rest::add);
            items = rest.iterator();
            length = index0 + 1 + rest.size() + (ahead == NOTHING ? 0 : 1);
        }
        return length;
    }

    private Object nextItem() {
        if (!hasNext()) {
            return Undefined.hint("there is no next item");
        }
        if (ahead == NOTHING) {
            ahead = items.next();
        }
        return ahead;
    }

    private Object cycle(Arguments arguments) {
        List<Object> values = arguments.positional();
        if (values.isEmpty()) {
            throw new TemplateException("no items for cycling given");
        }
        return values.get((int) (index0 % values.size()));
    }

    private Object changed(Arguments arguments) {
        List<Object> values = arguments.positional();
        boolean changed = lastChanged == null || !Comparisons.equal(lastChanged, values);
        lastChanged = values;
        return changed;
    }
}
