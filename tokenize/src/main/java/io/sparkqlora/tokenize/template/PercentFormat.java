// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Python's {@code format % values}: the conversions s, r, d, i, f, x, X, o and c. */
final class PercentFormat {

    private static final Pattern SPEC =
            Pattern.compile("%(?:\\(([^)]*)\\))?([-+ 0#]*)(\\d+)?(?:\\.(\\d+))?(.)", Pattern.DOTALL);

    private final Object values;
    private final Iterator<Object> queue;

    private PercentFormat(Object values) {
        this.values = values;
        this.queue = values instanceof Tuple tuple
                ? tuple.iterator()
                : List.of(new Object[] {values == null ? NONE : values}).iterator();
    }

    private static final Object NONE = new Object();

    static String format(String format, Object values) {
        PercentFormat state = new PercentFormat(values);
        StringBuilder out = new StringBuilder();
        Matcher matcher = SPEC.matcher(format);
        int from = 0;
        boolean mapped = false;
        while (matcher.find()) {
            out.append(format, from, matcher.start());
            from = matcher.end();
            mapped |= matcher.group(1) != null;
            out.append(matcher.group(5).equals("%") ? "%" : state.convert(matcher));
            Limits.text(out.length());
        }
        String rest = format.substring(from);
        if (rest.contains("%")) {
            throw new TemplateException("incomplete format");
        }
        if (!mapped && state.queue.hasNext() && !(values instanceof Map) && !isUnusedList(values)) {
            throw new TemplateException("not all arguments converted during string formatting");
        }
        return out.append(rest).toString();
    }

    /** CPython takes anything with items that isn't a tuple or text for a mapping, and lets it go unused. */
    private static boolean isUnusedList(Object values) {
        return values instanceof Undefined || (values instanceof List && !(values instanceof Tuple));
    }

    private String convert(Matcher spec) {
        Object value = value(spec.group(1));
        String flags = spec.group(2);
        int precision = spec.group(4) == null ? -1 : Integer.parseInt(spec.group(4));
        char conversion = spec.group(5).charAt(0);
        String text =
                switch (conversion) {
                    case 's' -> cut(Repr.str(value), precision);
                    case 'r' -> cut(Repr.repr(value), precision);
                    case 'd', 'i', 'u' -> signed(decimal(value, conversion), flags);
                    case 'x' -> signed(Long.toString(Types.index(value), 16), flags);
                    case 'X' -> signed(Text.upper(Long.toString(Types.index(value), 16)), flags);
                    case 'o' -> signed(Long.toString(Types.index(value), 8), flags);
                    case 'f', 'F' -> signed(fixed(value, precision < 0 ? 6 : precision), flags);
                    default -> throw new TemplateException(
                            "the conversion %" + conversion + " isn't supported in chat templates here");
                };
        return pad(text, spec.group(3), flags, "sr".indexOf(conversion) < 0);
    }

    private Object value(String key) {
        if (key != null) {
            if (!(values instanceof Map<?, ?> map)) {
                throw new TemplateException("format requires a mapping");
            }
            Object value = Dicts.get(map, key);
            if (value == HasAttributes.ABSENT) {
                throw new TemplateException(Repr.repr(key));
            }
            return value;
        }
        if (!queue.hasNext()) {
            throw new TemplateException("not enough arguments for format string");
        }
        Object value = queue.next();
        return value == NONE ? null : value;
    }

    private static String cut(String text, int precision) {
        return precision < 0 || precision >= Text.length(text)
                ? text
                : text.substring(0, text.offsetByCodePoints(0, precision));
    }

    private static String decimal(Object value, char conversion) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (value instanceof Double number) {
            return new BigDecimal(number).setScale(0, RoundingMode.DOWN).toPlainString();
        }
        if (!Types.isInteger(value)) {
            throw new TemplateException(
                    "%" + conversion + " format: a real number is required, not " + Types.name(value));
        }
        return Long.toString(Types.asLong(value));
    }

    static String fixed(Object value, int precision) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (!Types.isNumber(value)) {
            throw new TemplateException("must be real number, not " + Types.name(value));
        }
        double number = Types.asDouble(value);
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            return Repr.number(number);
        }
        Limits.text(precision);
        String text = new BigDecimal(number)
                .setScale(precision, RoundingMode.HALF_EVEN)
                .toPlainString();
        boolean negativeZero = (number < 0 || 1 / number < 0) && !text.startsWith("-");
        return negativeZero ? "-" + text : text;
    }

    private static String signed(String number, String flags) {
        if (number.startsWith("-")) {
            return number;
        }
        return flags.contains("+") ? "+" + number : flags.contains(" ") ? " " + number : number;
    }

    private static String pad(String text, String width, String flags, boolean number) {
        int missing = width == null ? 0 : Integer.parseInt(width) - Text.length(text);
        if (missing <= 0) {
            return text;
        }
        Limits.text(missing);
        if (flags.contains("-")) {
            return text + " ".repeat(missing);
        }
        if (number && flags.contains("0")) {
            boolean signed = !Character.isLetterOrDigit(text.charAt(0));
            return signed ? text.charAt(0) + "0".repeat(missing) + text.substring(1) : "0".repeat(missing) + text;
        }
        return " ".repeat(missing) + text;
    }
}
