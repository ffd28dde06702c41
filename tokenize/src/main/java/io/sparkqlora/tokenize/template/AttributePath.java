// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** The attribute argument of filters: a name, a number, or a path such as {@code function.name}. */
final class AttributePath {

    private AttributePath() {}

    /** A function that follows the path; without a path it gives its input. */
    static UnaryOperator<Object> getter(Object path, Object otherwise) {
        List<Object> parts = parts(path);
        return item -> {
            Object value = item;
            for (Object part : parts) {
                value = Attributes.item(value, part);
                value = otherwise != null && value instanceof Undefined ? otherwise : value;
            }
            return value;
        };
    }

    private static List<Object> parts(Object path) {
        if (path == null) {
            return List.of();
        }
        if (!(path instanceof String text)) {
            return List.of(path);
        }
        List<Object> parts = new ArrayList<>();
        for (String part : text.split("\\.", -1)) {
            boolean number = !part.isEmpty() && part.chars().allMatch(c -> c >= '0' && c <= '9');
            parts.add(number ? (Object) Long.valueOf(part) : part);
        }
        return parts;
    }

    /** Text in lower case, anything else as it is. */
    static Object ignoreCase(Object value) {
        return value instanceof String text ? Text.lower(text) : value;
    }
}
