// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Filters on numbers. */
final class NumberFilters {

    static final Map<String, Filter> FILTERS = Map.of(
            "int", NumberFilters::toInt,
            "float", NumberFilters::toFloat,
            "abs", NumberFilters::abs,
            "round", NumberFilters::round);

    private static final Signature INT = new Signature("do_int", "value", "default?", "base?");
    private static final Signature FLOAT = new Signature("do_float", "value", "default?");
    private static final Signature ROUND = new Signature("do_round", "value", "precision?", "method?");
    private static final Pattern INTEGER = Pattern.compile("([+-]?)(0[xX]|0[oO]|0[bB])?_?(\\w+)");
    private static final Pattern DECIMAL = Pattern.compile(
            "[+-]?(\\d+(_\\d+)*)?(\\.(\\d+(_\\d+)*)?)?([eE][+-]?\\d+(_\\d+)*)?|[+-]?(inf|infinity|nan)",
            Pattern.CASE_INSENSITIVE);

    private NumberFilters() {}

    private static Object toInt(Object input, Arguments arguments) {
        Signature.Bound bound = INT.bind(input, arguments);
        failUndefined(input);
        if (Types.isInteger(input)) {
            return Types.asLong(input);
        }
        if (input instanceof String || input instanceof Markup) {
            Long parsed = parse(Text.strip(Repr.str(input), null, true, true), (int) bound.integer("base", 10));
            if (parsed != null) {
                return parsed;
            }
        }
        Double number = number(input);
        if (number == null || Double.isNaN(number) || Double.isInfinite(number)) {
            return overflow(input, number, bound.get("default", 0L));
        }
        return truncated(number);
    }

    private static Object overflow(Object input, Double number, Object otherwise) {
        if (input instanceof Double && Double.isInfinite(number)) {
            throw new TemplateException("cannot convert float infinity to integer");
        }
        return otherwise;
    }

    private static Long truncated(double number) {
        if (Math.abs(number) >= 0x1p63) {
            throw new TemplateException("the result is beyond 64 bits, which isn't supported for integers");
        }
        return (long) number;
    }

    /** The integer that a text spells, or null. */
    private static Long parse(String text, int base) {
        Matcher matcher = INTEGER.matcher(text);
        if (!matcher.matches() || text.contains("__") || text.endsWith("_")) {
            return null;
        }
        String prefix = matcher.group(2) == null ? "" : Text.lower(matcher.group(2));
        int prefixBase = prefix.isEmpty() ? 0 : prefix.equals("0x") ? 16 : prefix.equals("0o") ? 8 : 2;
        String digits = matcher.group(3).replace("_", "");
        if (prefixBase != 0 && base != 0 && base != prefixBase) {
            return null;
        }
        try {
            int radix = base == 0 ? (prefixBase == 0 ? 10 : prefixBase) : base;
            return Long.valueOf(matcher.group(1) + digits, radix);
        } catch (NumberFormatException e) {
            return null;
        }
    }

    /** {@code float(value)}, or null where Python raises an error that the filters catch. */
    private static Double number(Object value) {
        failUndefined(value);
        if (Types.isNumber(value)) {
            return Types.asDouble(value);
        }
        if (!(value instanceof String) && !(value instanceof Markup)) {
            return null;
        }
        String text = Text.strip(Repr.str(value), null, true, true);
        boolean digits = text.chars().anyMatch(Character::isDigit);
        if (!DECIMAL.matcher(text).matches() || (!digits && !text.matches("(?i)[+-]?(inf|infinity|nan)"))) {
            return null;
        }
        return digits ? (Double) Double.parseDouble(text.replace("_", "")) : special(Text.lower(text));
    }

    private static Double special(String text) {
        if (text.endsWith("nan")) {
            return Double.NaN;
        }
        return text.startsWith("-") ? Double.NEGATIVE_INFINITY : Double.POSITIVE_INFINITY;
    }

    private static Object toFloat(Object input, Arguments arguments) {
        Signature.Bound bound = FLOAT.bind(input, arguments);
        Double number = number(input);
        return number == null ? bound.get("default", 0.0) : number;
    }

    private static Object abs(Object input, Arguments arguments) {
        if (input instanceof Double number) {
            return Math.abs(number);
        }
        if (Types.isInteger(input)) {
            return Math.abs(Types.asLong(input));
        }
        throw new TemplateException("bad operand type for abs(): '" + Types.name(input) + "'");
    }

    private static void failUndefined(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
    }

    private static Object round(Object input, Arguments arguments) {
        Signature.Bound bound = ROUND.bind(input, arguments);
        Object method = bound.get("method", "common");
        RoundingMode mode = mode(method);
        if (!Types.isNumber(input)) {
            throw notRounded(input, mode);
        }
        int precision = (int) bound.integer("precision", 0);
        if (mode == RoundingMode.HALF_EVEN) {
            BigDecimal rounded = decimal(input).setScale(precision, mode);
            return input instanceof Double number ? (Object) rounded(number, rounded) : rounded.longValueExact();
        }
        double scale = Math.pow(10, precision);
        double scaled = Types.asDouble(input) * scale;
        double whole = mode == RoundingMode.CEILING ? Math.ceil(scaled) : Math.floor(scaled);
        return (whole == 0 ? 0.0 : whole) / scale;
    }

    private static TemplateException notRounded(Object input, RoundingMode mode) {
        if (mode == RoundingMode.HALF_EVEN) {
            return new TemplateException("type " + Types.name(input) + " doesn't define __round__ method");
        }
        failUndefined(input);
        boolean sequence = input instanceof String || input instanceof List;
        return new TemplateException(
                sequence
                        ? "must be real number, not " + Types.name(input)
                        : "unsupported operand type(s) for *: '" + Types.name(input) + "' and 'int'");
    }

    private static RoundingMode mode(Object method) {
        if ("common".equals(method)) {
            return RoundingMode.HALF_EVEN;
        }
        if ("ceil".equals(method) || "floor".equals(method)) {
            return "ceil".equals(method) ? RoundingMode.CEILING : RoundingMode.FLOOR;
        }
        throw new TemplateException("method must be common, ceil or floor");
    }

    private static BigDecimal decimal(Object number) {
        if (number instanceof Double value) {
            return Double.isNaN(value) || Double.isInfinite(value) ? BigDecimal.ZERO : new BigDecimal(value);
        }
        return BigDecimal.valueOf(Types.asLong(number));
    }

    private static Double rounded(double number, BigDecimal rounded) {
        if (Double.isNaN(number) || Double.isInfinite(number)) {
            return number;
        }
        return Math.copySign(rounded.doubleValue(), number);
    }
}
