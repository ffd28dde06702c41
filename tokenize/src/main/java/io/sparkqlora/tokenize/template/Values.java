// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PrimitiveIterator;

/** Truth, iteration, length and membership of values. */
final class Values {

    private Values() {}

    /** A Java value as the template language knows it: whole numbers as Long, others as Double, maps and lists inside. */
    static Object of(Object value) {
        if (value == null || value instanceof String || value instanceof Boolean || value instanceof Long) {
            return value;
        }
        if (value instanceof Map<?, ?> map) {
            Map<Object, Object> dict = new LinkedHashMap<>();
            map.forEach((key, item) -> dict.put(of(key), of(item)));
            return dict;
        }
        if (value instanceof Iterable<?> items) {
            List<Object> list = new ArrayList<>();
            items.forEach(item -> list.add(of(item)));
            return list;
        }
        return value instanceof Object[] array ? of(Arrays.asList(array)) : scalar(value);
    }

    private static Object scalar(Object value) {
        if (value instanceof Integer || value instanceof Short || value instanceof Byte) {
            return ((Number) value).longValue();
        }
        if (value instanceof BigInteger big && big.bitLength() > 63) {
            throw new TemplateException("the integer " + big + " is beyond 64 bits, which isn't supported");
        }
        if (value instanceof BigInteger big) {
            return big.longValueExact();
        }
        return value instanceof Number number ? (Object) number.doubleValue() : value.toString();
    }

    static boolean isTrue(Object value) {
        if (value instanceof Boolean flag) {
            return flag;
        }
        if (value == null || value instanceof Undefined) {
            return false;
        }
        if (value instanceof String text) {
            return !text.isEmpty();
        }
        if (value instanceof Long || value instanceof Double) {
            return ((Number) value).doubleValue() != 0;
        }
        return !isSized(value) || length(value) != 0;
    }

    static boolean isSized(Object value) {
        return value instanceof String
                || value instanceof List
                || value instanceof Map
                || value instanceof View
                || value instanceof Markup
                || value instanceof Undefined
                || value instanceof Loop;
    }

    static long length(Object value) {
        if (value instanceof String text) {
            return Text.length(text);
        }
        if (value instanceof List<?> list) {
            return list.size();
        }
        if (value instanceof Map<?, ?> map) {
            return map.size();
        }
        if (value instanceof View view) {
            return view.items().size();
        }
        if (value instanceof Markup markup) {
            return Text.length(markup.text());
        }
        if (value instanceof Loop loop) {
            return (Long) loop.attribute("length");
        }
        if (value instanceof Undefined) {
            return 0;
        }
        throw new TemplateException("object of type '" + Types.name(value) + "' has no len()");
    }

    static long sizeOrUnknown(Object value) {
        return isSized(value) ? length(value) : -1;
    }

    static boolean isIterable(Object value) {
        return isSized(value) || value instanceof Lazy;
    }

    @SuppressWarnings("unchecked")
    static Iterator<Object> iterate(Object value) {
        if (value instanceof List<?> list) {
            return ((List<Object>) list).iterator();
        }
        if (value instanceof String text) {
            return characters(text);
        }
        if (value instanceof Map<?, ?> map) {
            return ((Map<Object, Object>) map).keySet().iterator();
        }
        if (value instanceof View view) {
            return view.items().iterator();
        }
        if (value instanceof Lazy lazy) {
            return lazy;
        }
        if (value instanceof Undefined) {
            return Collections.emptyIterator();
        }
        if (value instanceof Markup markup) {
            return characters(markup.text());
        }
        throw new TemplateException("'" + Types.name(value) + "' object is not iterable");
    }

    private static Iterator<Object> characters(String text) {
        PrimitiveIterator.OfInt points = text.codePoints().iterator();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return points.hasNext();
            }

            @Override
            public Object next() {
                return Character.toString(points.nextInt());
            }
        };
    }

    static List<Object> toList(Object value) {
        List<Object> list = new ArrayList<>();
        Iterator<Object> items = iterate(value);
        while (items.hasNext()) {
            list.add(items.next());
            Limits.items(list.size());
        }
        return list;
    }

    /** {@code item in container}. */
    static boolean contains(Object container, Object item) {
        if (container instanceof String || container instanceof Markup) {
            return containsText(Repr.str(container), item);
        }
        if (container instanceof Map<?, ?> map) {
            return Dicts.contains(map, Dicts.key(item));
        }
        if (!isIterable(container)) {
            throw new TemplateException("argument of type '" + Types.name(container) + "' is not iterable");
        }
        Iterator<Object> items = iterate(container);
        while (items.hasNext()) {
            if (Comparisons.equal(items.next(), item)) {
                return true;
            }
        }
        return false;
    }

    private static boolean containsText(String text, Object item) {
        if (item instanceof String || item instanceof Markup) {
            return text.contains(Repr.str(item));
        }
        throw new TemplateException("'in <string>' requires string as left operand, not " + Types.name(item));
    }
}
