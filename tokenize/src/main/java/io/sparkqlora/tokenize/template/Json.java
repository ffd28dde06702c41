// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** {@code json.dumps} with the options that chat templates have. */
final class Json {

    private final boolean ascii;
    private final String indent;
    private final String itemSeparator;
    private final String keySeparator;
    private final boolean sortKeys;
    private final StringBuilder out = new StringBuilder();

    /** @param indent what one level is indented by, or null for one line */
    Json(boolean ascii, String indent, String itemSeparator, String keySeparator, boolean sortKeys) {
        this.ascii = ascii;
        this.indent = indent;
        this.itemSeparator = itemSeparator;
        this.keySeparator = keySeparator;
        this.sortKeys = sortKeys;
    }

    String write(Object value) {
        value(value, 0);
        return out.toString();
    }

    private void value(Object value, int depth) {
        Limits.text(out.length());
        if (value instanceof String || value instanceof Markup) {
            string(Repr.str(value));
        } else if (value instanceof Map<?, ?> map) {
            object(map, depth);
        } else if (value instanceof List<?> list && !(value instanceof Range)) {
            array(list, depth);
        } else if (isScalar(value)) {
            out.append(scalar(value));
        } else {
            throw new TemplateException("Object of type " + Types.name(value) + " is not JSON serializable");
        }
    }

    private static boolean isScalar(Object value) {
        return value == null || Types.isNumber(value);
    }

    private static String scalar(Object value) {
        if (value instanceof Double number) {
            return Double.isNaN(number)
                    ? "NaN"
                    : Double.isInfinite(number) ? (number > 0 ? "Infinity" : "-Infinity") : Repr.number(number);
        }
        return value == null ? "null" : value.toString();
    }

    private void array(List<?> list, int depth) {
        if (list.isEmpty()) {
            out.append("[]");
            return;
        }
        out.append('[');
        boolean first = true;
        for (Object item : list) {
            separate(first, depth + 1);
            first = false;
            value(item, depth + 1);
        }
        newline(depth);
        out.append(']');
    }

    private void object(Map<?, ?> map, int depth) {
        if (map.isEmpty()) {
            out.append("{}");
            return;
        }
        out.append('{');
        boolean first = true;
        for (Iterator<Object> keys = keys(map); keys.hasNext(); first = false) {
            Object key = keys.next();
            separate(first, depth + 1);
            string(key(key));
            out.append(keySeparator);
            value(map.get(key), depth + 1);
        }
        newline(depth);
        out.append('}');
    }

    private Iterator<Object> keys(Map<?, ?> map) {
        List<Object> keys = new ArrayList<>(map.keySet());
        if (sortKeys) {
            keys.sort((a, b) -> Comparisons.order(a, b, "<"));
        }
        return keys.iterator();
    }

    private static String key(Object key) {
        if (key instanceof String text) {
            return text;
        }
        if (isScalar(key)) {
            return scalar(key);
        }
        throw new TemplateException("keys must be str, int, float, bool or None, not " + Types.name(key));
    }

    private void separate(boolean first, int depth) {
        if (!first) {
            out.append(itemSeparator);
        }
        newline(depth);
    }

    private void newline(int depth) {
        if (indent != null) {
            out.append('\n').append(indent.repeat(depth));
        }
    }

    private void string(String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            character(text.charAt(i));
        }
        out.append('"');
    }

    private void character(char c) {
        int escape = "\"\\\n\r\t\b\f".indexOf(c);
        if (escape >= 0) {
            out.append('\\').append("\"\\nrtbf".charAt(escape));
        } else if (c < ' ' || (ascii && c > '~')) {
            out.append(String.format("\\u%04x", (int) c));
        } else {
            out.append(c);
        }
    }
}
