// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;

/** The variable {@code loop} inside a loop's body. */
final class Loop implements HasAttributes {

    private Iterator<Object> items;
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
        return items.hasNext();
    }

    Object next() {
        before = current;
        current = items.next();
        if (items instanceof Peeked peeked) {
            items = peeked.rest();
        }
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
            case "last" -> !items.hasNext();
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
            length = index0 + 1 + rest.size();
        }
        return length;
    }

    private Object nextItem() {
        if (!items.hasNext()) {
            return Undefined.hint("there is no next item");
        }
        if (items instanceof Peeked peeked) {
            return peeked.item();
        }
        Peeked peeked = new Peeked(items.next(), items);
        items = peeked;
        return peeked.item();
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

    /** An item that was taken to look ahead, and what follows it. */
    private record Peeked(Object item, Iterator<Object> rest) implements Iterator<Object> {

        Peeked {
            Objects.requireNonNull(rest);
        }

        @Override
        public boolean hasNext() {
            return true;
        }

        @Override
        public Object next() {
            return item;
        }
    }
}
