// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** Values as Python prints them: {@code str} and {@code repr}. */
final class Repr {

    private Repr() {}

    /** {@code str(value)}; what {@code {{ value }}} writes. */
    static String str(Object value) {
        if (value instanceof String text) {
            return text;
        }
        if (value instanceof Undefined) {
            return "";
        }
        return value instanceof Markup markup ? markup.text() : repr(value);
    }

    static String repr(Object value) {
        if (value == null) {
            return "None";
        }
        if (value instanceof String text) {
            return quoted(text);
        }
        if (value instanceof Boolean flag) {
            return flag ? "True" : "False";
        }
        if (value instanceof Long) {
            return value.toString();
        }
        if (value instanceof Double number) {
            return number(number);
        }
        return value instanceof List || value instanceof Map || value instanceof View
                ? container(value)
                : object(value);
    }

    private static String container(Object value) {
        if (value instanceof Range) {
            return value.toString();
        }
        if (value instanceof Tuple tuple) {
            return tuple.size() == 1 ? "(" + repr(tuple.get(0)) + ",)" : joined(tuple, "(", ")");
        }
        if (value instanceof List<?> list) {
            return joined(list, "[", "]");
        }
        return value instanceof View view
                ? view.typeName() + "(" + joined(view.items(), "[", "]") + ")"
                : dict((Map<?, ?>) value);
    }

    private static String joined(List<?> items, String open, String close) {
        StringJoiner out = new StringJoiner(", ", open, close);
        items.forEach(item -> out.add(repr(item)));
        Limits.text(out.length());
        return out.toString();
    }

    private static String dict(Map<?, ?> dict) {
        StringJoiner out = new StringJoiner(", ", "{", "}");
        dict.forEach((key, value) -> out.add(repr(key) + ": " + repr(value)));
        Limits.text(out.length());
        return out.toString();
    }

    private static String object(Object value) {
        if (value instanceof Undefined) {
            return "Undefined";
        }
        if (value instanceof Markup markup) {
            return "Markup(" + quoted(markup.text()) + ")";
        }
        if (value instanceof Namespace namespace) {
            return "<Namespace " + dict(namespace.attributes()) + ">";
        }
        if (value instanceof Macros.Macro macro) {
            return "<Macro " + (macro.name() == null ? "anonymous" : quoted(macro.name())) + ">";
        }
        if (value instanceof Loop loop) {
            return "<LoopContext " + loop.attribute("index") + "/" + loop.attribute("length") + ">";
        }
        throw new TemplateException("printing a " + Types.name(value) + " would print a memory address"
                + (value instanceof Lazy ? "; put it through the filter list first" : ""));
    }

    private static String quoted(String text) {
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder out = new StringBuilder(text.length() + 2).append(quote);
        text.codePoints().forEach(c -> append(out, c, quote));
        return out.append(quote).toString();
    }

    private static void append(StringBuilder out, int c, char quote) {
        if (c == quote || c == '\\') {
            out.append('\\').append((char) c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            out.append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        } else if (isPrintable(c)) {
            out.appendCodePoint(c);
        } else {
            out.append(String.format(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c));
        }
    }

    private static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }

    /** The shortest digits that read back as the same number, as Python writes them. */
    static String number(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal shortest = shortest(value);
        String digits = shortest.unscaledValue().abs().toString();
        int exponent = digits.length() - 1 - shortest.scale();
        String sign = value < 0 ? "-" : "";
        if (exponent < -4 || exponent >= 16) {
            String rest = digits.length() > 1 ? "." + digits.substring(1) : "";
            String power = (Math.abs(exponent) < 10 ? "0" : "") + Math.abs(exponent);
            return sign + digits.charAt(0) + rest + "e" + (exponent < 0 ? "-" : "+") + power;
        }
        String plain = shortest.toPlainString();
        return plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }

    private static BigDecimal shortest(double value) {
        BigDecimal exact = new BigDecimal(value);
        for (int digits = 1; digits < 17; digits++) {
            BigDecimal rounded = exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            if (rounded.doubleValue() == value) {
                return rounded.stripTrailingZeros();
            }
        }
        return exact.round(new MathContext(17, RoundingMode.HALF_EVEN)).stripTrailingZeros();
    }
}
