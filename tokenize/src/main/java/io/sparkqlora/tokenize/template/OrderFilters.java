// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** sort, dictsort, unique, groupby, min, max. */
final class OrderFilters {

    static final Map<String, Filter> FILTERS = new HashMap<>();

    private static final Signature SORT =
            new Signature("do_sort", "value", "reverse?", "case_sensitive?", "attribute?");
    private static final Signature DICTSORT =
            new Signature("do_dictsort", "value", "case_sensitive?", "by?", "reverse?");
    private static final Signature UNIQUE = new Signature("sync_do_unique", "value", "case_sensitive?", "attribute?");
    private static final Signature EXTREME = new Signature("do_min", "value", "case_sensitive?", "attribute?");
    private static final Signature GROUPBY =
            new Signature("sync_do_groupby", "value", "attribute", "default?", "case_sensitive?");

    static {
        FILTERS.put("sort", OrderFilters::sort);
        FILTERS.put("dictsort", OrderFilters::dictsort);
        FILTERS.put("unique", OrderFilters::unique);
        FILTERS.put("groupby", OrderFilters::groupby);
        FILTERS.put("min", (input, arguments) -> extreme(input, arguments, -1));
        FILTERS.put("max", (input, arguments) -> extreme(input, arguments, 1));
    }

    private OrderFilters() {}

    private record Keyed(Object key, Object item) {}

    private static List<Object> sorted(Iterator<Object> items, UnaryOperator<Object> key, boolean reverse) {
        List<Keyed> keyed = new ArrayList<>();
        items.forEachRemaining(item -> keyed.add(new Keyed(key.apply(item), item)));
        Comparator<Keyed> order = (a, b) -> Comparisons.order(a.key, b.key, "<");
        // reversed order keeps equal items as they stood, like Python's sort
        keyed.sort(reverse ? order.reversed() : order);
        List<Object> sorted = new ArrayList<>(keyed.size());
        keyed.forEach(entry -> sorted.add(entry.item));
        return sorted;
    }

    private static UnaryOperator<Object> key(UnaryOperator<Object> getter, boolean caseSensitive) {
        return item -> caseSensitive ? getter.apply(item) : AttributePath.ignoreCase(getter.apply(item));
    }

    private static Object sort(Object input, Arguments arguments) {
        Signature.Bound bound = SORT.bind(input, arguments);
        boolean caseSensitive = bound.isTrue("case_sensitive");
        Object attribute = bound.get("attribute", null);
        List<UnaryOperator<Object>> keys = new ArrayList<>();
        if (attribute instanceof String text) {
            for (String part : text.split(",", -1)) {
                keys.add(key(AttributePath.getter(part, null), caseSensitive));
            }
        } else {
            keys.add(key(AttributePath.getter(attribute, null), caseSensitive));
        }
        UnaryOperator<Object> all = item -> {
            List<Object> values = new ArrayList<>();
            keys.forEach(part -> values.add(part.apply(item)));
            return values;
        };
        return sorted(Values.iterate(input), all, bound.isTrue("reverse"));
    }

    private static Object dictsort(Object input, Arguments arguments) {
        Signature.Bound bound = DICTSORT.bind(input, arguments);
        Object by = bound.get("by", "key");
        if (!"key".equals(by) && !"value".equals(by)) {
            throw new TemplateException("You can only sort by either \"key\" or \"value\"");
        }
        if (input instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!(input instanceof Map<?, ?> map)) {
            throw new TemplateException("'" + Types.name(input) + "' object has no attribute 'items'");
        }
        int at = "key".equals(by) ? 0 : 1;
        UnaryOperator<Object> key = key(item -> ((Tuple) item).get(at), bound.isTrue("case_sensitive"));
        return sorted(ContainerMethods.items(map).items().iterator(), key, bound.isTrue("reverse"));
    }

    private static Object unique(Object input, Arguments arguments) {
        Signature.Bound bound = UNIQUE.bind(input, arguments);
        UnaryOperator<Object> key =
                key(AttributePath.getter(bound.get("attribute", null), null), bound.isTrue("case_sensitive"));
        return Lazy.generator(() -> {
            Map<Object, Object> seen = new HashMap<>();
            List<Object> items = new ArrayList<>();
            Values.iterate(input).forEachRemaining(item -> {
                Object value = Dicts.key(key.apply(item));
                if (!Dicts.contains(seen, value)) {
                    seen.put(value, item);
                    items.add(item);
                }
            });
            return items.iterator();
        });
    }

    private static Object extreme(Object input, Arguments arguments, int sign) {
        Signature.Bound bound = EXTREME.bind(input, arguments);
        UnaryOperator<Object> key =
                key(AttributePath.getter(bound.get("attribute", null), null), bound.isTrue("case_sensitive"));
        Iterator<Object> items = Values.iterate(input);
        if (!items.hasNext()) {
            return Undefined.hint("No aggregated item, sequence was empty.");
        }
        Object best = items.next();
        Object bestKey = key.apply(best);
        while (items.hasNext()) {
            Object item = items.next();
            Object itemKey = key.apply(item);
            if (Comparisons.order(itemKey, bestKey, sign < 0 ? "<" : ">") * sign > 0) {
                best = item;
                bestKey = itemKey;
            }
        }
        return best;
    }

    private static Object groupby(Object input, Arguments arguments) {
        Signature.Bound bound = GROUPBY.bind(input, arguments);
        UnaryOperator<Object> getter = AttributePath.getter(bound.get("attribute"), bound.get("default", null));
        UnaryOperator<Object> key = key(getter, bound.isTrue("case_sensitive"));
        List<Object> groups = new ArrayList<>();
        List<Object> group = null;
        Object last = null;
        for (Object item : sorted(Values.iterate(input), key, false)) {
            Object current = key.apply(item);
            if (group == null || !Comparisons.equal(current, last)) {
                group = new ArrayList<>();
                groups.add(new GroupTuple(getter.apply(item), group));
                last = current;
            }
            group.add(item);
        }
        return groups;
    }

    /** A pair that can also be asked for its parts by name. */
    private static final class GroupTuple extends Tuple implements HasAttributes {

        private final Object grouper;
        private final List<Object> items;

        GroupTuple(Object grouper, List<Object> items) {
            super(java.util.Arrays.asList(grouper, items));
            this.grouper = grouper;
            this.items = items;
        }

        @Override
        public Object attribute(String name) {
            return switch (name) {
                case "grouper" -> grouper;
                case "list" -> items;
                default -> ABSENT;
            };
        }

        @Override
        public String typeName() {
            return "jinja2.filters._GroupTuple";
        }
    }
}
