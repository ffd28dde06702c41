// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The values that a call passes. */
record Arguments(List<Object> positional, Map<String, Object> named) {

    static Arguments of(List<Object> positional) {
        return new Arguments(new ArrayList<>(positional), new LinkedHashMap<>());
    }

    void putAll(Object mapping) {
        if (!(mapping instanceof Map<?, ?> map)) {
            throw new TemplateException("argument after ** must be a mapping, not " + Types.name(mapping));
        }
        map.forEach((key, value) -> named.put(keyword(key), value));
    }

    private static String keyword(Object key) {
        if (key instanceof String name) {
            return name;
        }
        throw new TemplateException("keywords must be strings");
    }

    boolean isEmpty() {
        return positional.isEmpty() && named.isEmpty();
    }

    /** The arguments from the given one on. */
    Arguments from(int start) {
        return new Arguments(new ArrayList<>(positional.subList(start, positional.size())), named);
    }
}
