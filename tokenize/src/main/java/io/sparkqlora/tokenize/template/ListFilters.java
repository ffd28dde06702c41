// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Filters on lists and dicts that neither choose nor order. */
final class ListFilters {

    static final Map<String, Filter> FILTERS = new HashMap<>();

    private static final Signature JOIN = new Signature("sync_do_join", "value", "d?", "attribute?");
    private static final Signature DEFAULT = new Signature("do_default", "value", "default_value?", "boolean?");
    private static final Signature BATCH = new Signature("do_batch", "value", "linecount", "fill_with?");
    private static final Signature SLICE = new Signature("sync_do_slice", "value", "slices", "fill_with?");
    private static final Signature SUM = new Signature("sync_do_sum", "iterable", "attribute?", "start?");
    private static final Signature ATTR = new Signature("do_attr", "obj", "name");

    static {
        FILTERS.put("length", (input, arguments) -> Values.length(input));
        FILTERS.put("count", (input, arguments) -> Values.length(input));
        FILTERS.put("list", (input, arguments) -> Values.toList(input));
        FILTERS.put("first", (input, arguments) -> first(input));
        FILTERS.put("last", (input, arguments) -> last(input));
        FILTERS.put("join", ListFilters::join);
        FILTERS.put("default", ListFilters::orDefault);
        FILTERS.put("d", ListFilters::orDefault);
        FILTERS.put("items", (input, arguments) -> items(input));
        FILTERS.put("reverse", (input, arguments) -> reverse(input));
        FILTERS.put("batch", ListFilters::batch);
        FILTERS.put("slice", ListFilters::slice);
        FILTERS.put("sum", ListFilters::sum);
        FILTERS.put("attr", (input, arguments) -> {
            Object name = ATTR.bind(input, arguments).get("name");
            return Attributes.ownOrUndefined(input, Types.text(name, "attribute name"));
        });
    }

    private ListFilters() {}

    private static Object first(Object input) {
        Iterator<Object> items = Values.iterate(input);
        return items.hasNext() ? items.next() : Undefined.hint("No first item, sequence was empty.");
    }

    private static Object last(Object input) {
        if (input instanceof Lazy lazy) {
            throw new TemplateException("'" + lazy.typeName() + "' object is not reversible");
        }
        if (!Values.isIterable(input)) {
            throw new TemplateException("'" + Types.name(input) + "' object is not reversible");
        }
        List<Object> items = Values.toList(input);
        return items.isEmpty() ? Undefined.hint("No last item, sequence was empty.") : items.get(items.size() - 1);
    }

    private static Object join(Object input, Arguments arguments) {
        Signature.Bound bound = JOIN.bind(input, arguments);
        String separator = Repr.str(bound.get("d", ""));
        UnaryOperator<Object> getter = AttributePath.getter(bound.get("attribute", null), null);
        StringBuilder out = new StringBuilder();
        Iterator<Object> items = Values.iterate(input);
        for (boolean first = true; items.hasNext(); first = false) {
            out.append(first ? "" : separator).append(Repr.str(getter.apply(items.next())));
            Limits.text(out.length());
        }
        return out.toString();
    }

    private static Object orDefault(Object input, Arguments arguments) {
        Signature.Bound bound = DEFAULT.bind(input, arguments);
        boolean replaced = input instanceof Undefined || (bound.isTrue("boolean") && !Values.isTrue(input));
        return replaced ? bound.get("default_value", "") : input;
    }

    private static Object items(Object input) {
        return Lazy.generator(() -> {
            if (input instanceof Undefined) {
                return Collections.emptyIterator();
            }
            if (!(input instanceof Map<?, ?> map)) {
                throw new TemplateException("Can only get item pairs from a mapping.");
            }
            return ContainerMethods.items(map).items().iterator();
        });
    }

    private static Object reverse(Object input) {
        if (input instanceof String text) {
            return new StringBuilder(text).reverse().toString();
        }
        if (!Values.isIterable(input)) {
            throw new TemplateException("argument must be iterable");
        }
        List<Object> items = Values.toList(input);
        Collections.reverse(items);
        boolean reversible = input instanceof List || input instanceof Map || input instanceof View;
        String type = input instanceof Tuple ? "reversed" : Types.name(input) + "_reverseiterator";
        return reversible ? new Lazy(type, items::iterator) : items;
    }

    private static Object batch(Object input, Arguments arguments) {
        Signature.Bound bound = BATCH.bind(input, arguments);
        long size = bound.integer("linecount", 1);
        Object fill = bound.get("fill_with", null);
        return Lazy.generator(() -> {
            List<Object> batches = new ArrayList<>();
            List<Object> batch = new ArrayList<>();
            Iterator<Object> items = Values.iterate(input);
            while (items.hasNext()) {
                if (batch.size() == size) {
                    batches.add(batch);
                    batch = new ArrayList<>();
                }
                batch.add(items.next());
            }
            if (!batch.isEmpty()) {
                pad(batch, fill, size);
                batches.add(batch);
            }
            return batches.iterator();
        });
    }

    private static void pad(List<Object> batch, Object fill, long size) {
        Limits.items(size);
        while (fill != null && batch.size() < size) {
            batch.add(fill);
        }
    }

    private static Object slice(Object input, Arguments arguments) {
        Signature.Bound bound = SLICE.bind(input, arguments);
        long slices = bound.integer("slices", 1);
        Object fill = bound.get("fill_with", null);
        return Lazy.generator(() -> slices(Values.toList(input), slices, fill).iterator());
    }

    private static List<Object> slices(List<Object> items, long slices, Object fill) {
        if (slices == 0) {
            throw new TemplateException("integer division or modulo by zero");
        }
        Limits.items(slices);
        List<Object> all = new ArrayList<>();
        long extra = Math.floorMod(items.size(), slices);
        int from = 0;
        for (long i = 0; i < slices; i++) {
            int to = from + (int) (items.size() / slices) + (i < extra ? 1 : 0);
            List<Object> part = new ArrayList<>(items.subList(from, to));
            if (fill != null && i >= extra) {
                part.add(fill);
            }
            all.add(part);
            from = to;
        }
        return all;
    }

    private static Object sum(Object input, Arguments arguments) {
        Signature.Bound bound = SUM.bind(input, arguments);
        UnaryOperator<Object> getter = AttributePath.getter(bound.get("attribute", null), null);
        Object sum = bound.get("start", 0L);
        if (sum instanceof String) {
            throw new TemplateException("sum() can't sum strings [use ''.join(seq) instead]");
        }
        Iterator<Object> items = Values.iterate(input);
        while (items.hasNext()) {
            sum = Arithmetic.binary("+", sum, getter.apply(items.next()));
        }
        return sum;
    }
}
