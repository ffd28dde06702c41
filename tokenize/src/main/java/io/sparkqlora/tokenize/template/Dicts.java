// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;
import java.util.Map;

/** Dicts as maps: what may be a key, and numbers of different types that are one key. */
final class Dicts {

    private Dicts() {}

    /** Checks that a value can be a key. */
    static Object key(Object value) {
        boolean mutable = value instanceof Map
                || (value instanceof List && !(value instanceof Tuple) && !(value instanceof Range));
        if (mutable || value instanceof View) {
            throw new TemplateException("unhashable type: '" + Types.name(value) + "'");
        }
        if (value instanceof Tuple tuple) {
            tuple.forEach(Dicts::key);
        }
        return value;
    }

    static boolean contains(Map<?, ?> dict, Object key) {
        return dict.containsKey(key) || (Types.isNumber(key) && equalKey(dict, key) != null);
    }

    /** The value of a key, or {@link HasAttributes#ABSENT}. */
    static Object get(Map<?, ?> dict, Object key) {
        Object value = dict.get(key);
        if (value != null || dict.containsKey(key)) {
            return value;
        }
        Object equal = Types.isNumber(key) ? equalKey(dict, key) : null;
        return equal == null ? HasAttributes.ABSENT : dict.get(equal);
    }

    static void put(Map<Object, Object> dict, Object key, Object value) {
        Object equal = Types.isNumber(key) && !dict.containsKey(key) ? equalKey(dict, key) : null;
        dict.put(equal == null ? key : equal, value);
    }

    private static Object equalKey(Map<?, ?> dict, Object number) {
        for (Object key : dict.keySet()) {
            if (Types.isNumber(key) && Comparisons.equal(key, number)) {
                return key;
            }
        }
        return null;
    }
}
