// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;
import java.util.Map;

/** Python's names of the types of values, and conversions that the language makes by itself. */
final class Types {

    private Types() {}

    /** The name of a value's type, as {@code type(x).__name__}. */
    static String name(Object value) {
        if (value == null) {
            return "NoneType";
        }
        if (value instanceof String) {
            return "str";
        }
        if (value instanceof Boolean) {
            return "bool";
        }
        if (value instanceof Long) {
            return "int";
        }
        if (value instanceof Double) {
            return "float";
        }
        return value instanceof List || value instanceof Map ? container(value) : other(value);
    }

    private static String container(Object value) {
        if (value instanceof Tuple) {
            return "tuple";
        }
        if (value instanceof Range) {
            return "range";
        }
        return value instanceof List ? "list" : "dict";
    }

    private static String other(Object value) {
        if (value instanceof View view) {
            return view.typeName();
        }
        if (value instanceof Lazy lazy) {
            return lazy.typeName();
        }
        if (value instanceof HasAttributes object) {
            return object.typeName().substring(object.typeName().lastIndexOf('.') + 1);
        }
        if (value instanceof Undefined) {
            return "Undefined";
        }
        return value instanceof Markup ? "Markup" : "builtin_function_or_method";
    }

    /** A value as messages about missing attributes name it. */
    static String qualified(Object value) {
        if (value == null) {
            return "None";
        }
        if (value instanceof HasAttributes object) {
            return object.typeName() + " object";
        }
        return (value instanceof Markup ? "markupsafe.Markup" : name(value)) + " object";
    }

    static boolean isInteger(Object value) {
        return value instanceof Long || value instanceof Boolean;
    }

    static boolean isNumber(Object value) {
        return isInteger(value) || value instanceof Double;
    }

    static long asLong(Object integer) {
        return integer instanceof Boolean flag ? (flag ? 1 : 0) : (Long) integer;
    }

    static double asDouble(Object number) {
        return number instanceof Double value ? value : asLong(number);
    }

    /** An argument that must be an integer. */
    static long index(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!isInteger(value)) {
            throw new TemplateException("'" + name(value) + "' object cannot be interpreted as an integer");
        }
        return asLong(value);
    }

    /** An argument that must be text; null stays null. */
    static String textOrNull(Object value, String what) {
        if (value == null) {
            return null;
        }
        return text(value, what);
    }

    static String text(Object value, String what) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof Markup markup) {
            return markup.text();
        }
        throw new TemplateException(what + " must be str, not " + name(value));
    }
}
