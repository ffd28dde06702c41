// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.List;

/** Python's arithmetic on numbers, text and lists. Integers beyond 64 bits are refused. */
final class Arithmetic {

    private Arithmetic() {}

    static Object unary(boolean negative, Object operand) {
        if (operand instanceof Undefined undefined) {
            throw undefined.error();
        }
        if (operand instanceof Double value) {
            return negative ? -value : value;
        }
        if (Types.isInteger(operand)) {
            return negative ? exact(() -> Math.negateExact(Types.asLong(operand))) : (Object) Types.asLong(operand);
        }
        throw new TemplateException(
                "bad operand type for unary " + (negative ? "-" : "+") + ": '" + Types.name(operand) + "'");
    }

    static Object binary(String operator, Object left, Object right) {
        if (operator.equals("%") && (left instanceof String || left instanceof Markup)) {
            return PercentFormat.format(Repr.str(left), right);
        }
        failUndefined(left);
        failUndefined(right);
        if (Types.isInteger(left) && Types.isInteger(right)) {
            return integers(operator, Types.asLong(left), Types.asLong(right));
        }
        if (Types.isNumber(left) && Types.isNumber(right)) {
            return floats(operator, Types.asDouble(left), Types.asDouble(right));
        }
        if (operator.equals("+")) {
            return add(left, right);
        }
        if (operator.equals("*") && (isSequence(left) || isSequence(right))) {
            return repeat(left, right);
        }
        throw unsupported(operator, left, right);
    }

    private static void failUndefined(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.error();
        }
    }

    private static Object integers(String operator, long a, long b) {
        return switch (operator) {
            case "+" -> exact(() -> Math.addExact(a, b));
            case "-" -> exact(() -> Math.subtractExact(a, b));
            case "*" -> exact(() -> Math.multiplyExact(a, b));
            case "/" -> divide(a, b);
            case "//" -> Math.floorDiv(a, nonZero(b, "integer division or modulo by zero"));
            case "%" -> Math.floorMod(a, nonZero(b, "integer modulo by zero"));
            default -> b < 0 ? floatPower(a, b) : integerPower(a, b);
        };
    }

    private static Object divide(long a, long b) {
        return (double) a / nonZero(b, "division by zero");
    }

    private static long nonZero(long divisor, String message) {
        if (divisor == 0) {
            throw new TemplateException(message);
        }
        return divisor;
    }

    private static Object integerPower(long base, long exponent) {
        if (base == 0 || base == 1 || base == -1) {
            return exponent == 0 || base == 1 ? 1L : base == 0 ? 0L : exponent % 2 == 0 ? 1L : -1L;
        }
        return exact(() -> {
            long power = 1;
            for (long i = 0; i < exponent; i++) {
                power = Math.multiplyExact(power, base);
            }
            return power;
        });
    }

    private static Object floatPower(double base, double exponent) {
        if (base == 0 && exponent < 0) {
            throw new TemplateException("0.0 cannot be raised to a negative power");
        }
        double power = Math.pow(base, exponent);
        if (Double.isInfinite(power) && !Double.isInfinite(base) && !Double.isInfinite(exponent)) {
            throw new TemplateException("(34, 'Numerical result out of range')");
        }
        if (Double.isNaN(power) && !Double.isNaN(base) && !Double.isNaN(exponent)) {
            throw new TemplateException("complex numbers aren't supported");
        }
        return power;
    }

    private static Object floats(String operator, double a, double b) {
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / nonZero(b, "float division by zero");
            case "//" -> floorDivide(a, nonZero(b, "float floor division by zero"));
            case "%" -> modulo(a, nonZero(b, "float modulo"));
            default -> floatPower(a, b);
        };
    }

    private static double nonZero(double divisor, String message) {
        if (divisor == 0) {
            throw new TemplateException(message);
        }
        return divisor;
    }

    /** The remainder with the divisor's sign. */
    private static double modulo(double a, double b) {
        double remainder = a % b;
        if (remainder == 0) {
            return Math.copySign(0.0, b);
        }
        return (b < 0) != (remainder < 0) ? remainder + b : remainder;
    }

    /** The quotient as CPython finds it: from the exact remainder, then rounded to a whole number. */
    private static double floorDivide(double a, double b) {
        double remainder = a % b;
        double quotient = (a - remainder) / b;
        if (remainder != 0 && (b < 0) != (remainder < 0)) {
            quotient -= 1;
        }
        if (quotient == 0) {
            return Math.copySign(0.0, a / b);
        }
        double floor = Math.floor(quotient);
        return quotient - floor > 0.5 ? floor + 1 : floor;
    }

    private static Object add(Object left, Object right) {
        if (left instanceof Markup || (right instanceof Markup && !(left instanceof List))) {
            return addMarkup(left, right);
        }
        if (left instanceof String a) {
            if (right instanceof String b) {
                Limits.text((long) a.length() + b.length());
                return a + b;
            }
            throw notConcatenated("str", right);
        }
        if (left instanceof List<?> a && !(left instanceof Range)) {
            boolean same = right instanceof List<?> && Types.name(left).equals(Types.name(right));
            if (!same) {
                throw notConcatenated(Types.name(left), right);
            }
            return concatenated(a, (List<?>) right);
        }
        throw unsupported("+", left, right);
    }

    private static Object addMarkup(Object left, Object right) {
        boolean text = (left instanceof String || left instanceof Markup)
                && (right instanceof String || right instanceof Markup);
        if (!text) {
            throw unsupported("+", left, right);
        }
        return new Markup(Markup.escape(left).text() + Markup.escape(right).text());
    }

    private static List<Object> concatenated(List<?> left, List<?> right) {
        Limits.items((long) left.size() + right.size());
        List<Object> joined = new ArrayList<>(left);
        joined.addAll(right);
        return left instanceof Tuple ? new Tuple(joined) : joined;
    }

    private static TemplateException notConcatenated(String type, Object right) {
        return new TemplateException(
                "can only concatenate " + type + " (not \"" + Types.name(right) + "\") to " + type);
    }

    private static boolean isSequence(Object value) {
        return value instanceof String
                || value instanceof Markup
                || (value instanceof List && !(value instanceof Range));
    }

    private static Object repeat(Object left, Object right) {
        Object sequence = isSequence(left) ? left : right;
        Object times = isSequence(left) ? right : left;
        if (!Types.isInteger(times)) {
            throw new TemplateException("can't multiply sequence by non-int of type '" + Types.name(times) + "'");
        }
        long count = Math.max(0, Types.asLong(times));
        if (sequence instanceof List<?> list) {
            return repeated(list, count);
        }
        String text = Repr.str(sequence);
        Limits.text(Math.multiplyHigh(text.length(), count) > 0 ? Long.MAX_VALUE : text.length() * count);
        String repeated = text.isEmpty() ? text : text.repeat((int) count);
        return sequence instanceof Markup ? new Markup(repeated) : repeated;
    }

    private static Object repeated(List<?> list, long count) {
        if (list.isEmpty()) {
            return list instanceof Tuple ? list : new ArrayList<>();
        }
        Limits.items(Math.multiplyHigh(list.size(), count) > 0 ? Long.MAX_VALUE : list.size() * count);
        List<Object> repeated = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            repeated.addAll(list);
        }
        return list instanceof Tuple ? new Tuple(repeated) : repeated;
    }

    private static TemplateException unsupported(String operator, Object left, Object right) {
        String name = operator.equals("**") ? "** or pow()" : operator;
        return new TemplateException("unsupported operand type(s) for " + name + ": '" + Types.name(left) + "' and '"
                + Types.name(right) + "'");
    }

    private interface Computation {
        long compute();
    }

    private static Object exact(Computation computation) {
        try {
            return computation.compute();
        } catch (ArithmeticException e) {
            throw new TemplateException("the result is beyond 64 bits, which isn't supported for integers");
        }
    }
}
