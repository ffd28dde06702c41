// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Python's slices, of code points for text. */
final class Slices {

    private Slices() {}

    static Object slice(Object target, Object start, Object stop, Object step) {
        if (target instanceof Undefined undefined) {
            throw undefined.error();
        }
        boolean text = target instanceof String || target instanceof Markup;
        if (!text && !(target instanceof List)) {
            throw new TemplateException(
                    target instanceof Map
                            ? "unhashable type: 'slice'"
                            : "'" + Types.name(target) + "' object is not subscriptable");
        }
        if (!valid(start) || !valid(stop) || !valid(step)) {
            throw new TemplateException("slice indices must be integers or None or have an __index__ method");
        }
        if (step != null && Types.asLong(step) == 0) {
            throw new TemplateException("slice step cannot be zero");
        }
        List<Integer> indices = indices((int) Values.length(target), start, stop, step);
        return text ? ofText(target, indices, step) : ofList((List<?>) target, indices);
    }

    private static boolean valid(Object part) {
        return part == null || Types.isInteger(part);
    }

    private static List<Integer> indices(int size, Object start, Object stop, Object step) {
        long by = step == null ? 1 : Types.asLong(step);
        long low = by > 0 ? 0 : -1;
        long high = by > 0 ? size : size - 1L;
        long from = start == null ? (by > 0 ? low : high) : bound(Types.asLong(start), size, low, high);
        long to = stop == null ? (by > 0 ? high : low) : bound(Types.asLong(stop), size, low, high);
        List<Integer> indices = new ArrayList<>();
        for (long i = from; by > 0 ? i < to : i > to; i += by) {
            indices.add((int) i);
            if (Math.abs(by) > size) {
                break;
            }
        }
        return indices;
    }

    private static long bound(long index, int size, long low, long high) {
        long absolute = index < 0 ? Math.max(index, -(long) size - 1) + size : index;
        return Math.max(low, Math.min(high, absolute));
    }

    private static Object ofText(Object target, List<Integer> indices, Object step) {
        String text = Repr.str(target);
        String result;
        if (indices.isEmpty()) {
            result = "";
        } else if (step == null || Types.asLong(step) == 1) {
            int from = text.offsetByCodePoints(0, indices.get(0));
            result = text.substring(from, text.offsetByCodePoints(from, indices.size()));
        } else {
            int[] points = text.codePoints().toArray();
            StringBuilder out = new StringBuilder();
            indices.forEach(i -> out.appendCodePoint(points[i]));
            result = out.toString();
        }
        return target instanceof Markup ? new Markup(result) : result;
    }

    private static Object ofList(List<?> list, List<Integer> indices) {
        List<Object> items = new ArrayList<>(indices.size());
        indices.forEach(i -> items.add(list.get(i)));
        return list instanceof Tuple ? new Tuple(items) : items;
    }
}
