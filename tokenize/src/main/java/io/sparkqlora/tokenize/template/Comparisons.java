// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Operators.Comparison;
import java.util.Iterator;
import java.util.List;
import java.util.Map;

/** Equality and order, as Python has them. */
final class Comparisons {

    private Comparisons() {}

    static boolean compare(Comparison comparison, Object left, Object right) {
        return switch (comparison) {
            case EQ -> equal(left, right);
            case NE -> !equal(left, right);
            case IN -> Values.contains(right, left);
            case NOT_IN -> !Values.contains(right, left);
            case LT -> ordered(left, right, "<");
            case LE -> ordered(left, right, "<=");
            case GT -> ordered(left, right, ">");
            case GE -> ordered(left, right, ">=");
        };
    }

    static boolean equal(Object left, Object right) {
        if (left instanceof String a && right instanceof String b) {
            return a.equals(b);
        }
        if (Types.isNumber(left) && Types.isNumber(right)) {
            return equalNumbers(left, right);
        }
        if (left instanceof List<?> a && right instanceof List<?> b) {
            return Types.name(a).equals(Types.name(b)) && equalLists(a, b);
        }
        if (left instanceof Map<?, ?> a && right instanceof Map<?, ?> b) {
            return equalDicts(a, b);
        }
        if (left instanceof Markup || right instanceof Markup) {
            return isText(left) && isText(right) && Repr.str(left).equals(Repr.str(right));
        }
        if (left instanceof Undefined && right instanceof Undefined) {
            return true;
        }
        return left == null ? right == null : left.equals(right);
    }

    private static boolean isText(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    private static boolean equalNumbers(Object left, Object right) {
        boolean integers = Types.isInteger(left) && Types.isInteger(right);
        return integers ? Types.asLong(left) == Types.asLong(right) : Types.asDouble(left) == Types.asDouble(right);
    }

    private static boolean equalLists(List<?> left, List<?> right) {
        if (left.size() != right.size()) {
            return false;
        }
        Iterator<?> other = right.iterator();
        for (Object item : left) {
            if (!equal(item, other.next())) {
                return false;
            }
        }
        return true;
    }

    private static boolean equalDicts(Map<?, ?> left, Map<?, ?> right) {
        return left.size() == right.size()
                && left.entrySet().stream().allMatch(entry -> {
                    Object other = Dicts.get(right, entry.getKey());
                    return other != HasAttributes.ABSENT && equal(entry.getValue(), other);
                });
    }

    private static boolean ordered(Object left, Object right, String operator) {
        int order = order(left, right, operator);
        if (isNan(left) || isNan(right)) {
            return false;
        }
        return switch (operator) {
            case "<" -> order < 0;
            case "<=" -> order <= 0;
            case ">" -> order > 0;
            default -> order >= 0;
        };
    }

    private static boolean isNan(Object value) {
        return value instanceof Double number && number.isNaN();
    }

    /** Order of two values; fails, naming the operator, if they have none. */
    static int order(Object left, Object right, String operator) {
        if (isText(left) && isText(right)) {
            return orderText(Repr.str(left), Repr.str(right));
        }
        if (Types.isInteger(left) && Types.isInteger(right)) {
            return Long.compare(Types.asLong(left), Types.asLong(right));
        }
        if (Types.isNumber(left) && Types.isNumber(right)) {
            double a = Types.asDouble(left);
            double b = Types.asDouble(right);
            return a < b ? -1 : a > b ? 1 : 0;
        }
        if (left instanceof List<?> a
                && right instanceof List<?> b
                && Types.name(a).equals(Types.name(b))
                && !(a instanceof Range)) {
            return orderLists(a, b, operator);
        }
        throw unordered(left, right, operator);
    }

    private static int orderText(String left, String right) {
        int common = Math.min(left.length(), right.length());
        for (int i = 0; i < common; i++) {
            if (left.charAt(i) != right.charAt(i)) {
                // by code point: a surrogate stands for something above every other character
                boolean a = Character.isSurrogate(left.charAt(i));
                boolean b = Character.isSurrogate(right.charAt(i));
                return a == b ? Character.compare(left.charAt(i), right.charAt(i)) : a ? 1 : -1;
            }
        }
        return Integer.compare(left.length(), right.length());
    }

    private static int orderLists(List<?> left, List<?> right, String operator) {
        for (int i = 0; i < Math.min(left.size(), right.size()); i++) {
            if (!equal(left.get(i), right.get(i))) {
                return order(left.get(i), right.get(i), operator);
            }
        }
        return Integer.compare(left.size(), right.size());
    }

    private static TemplateException unordered(Object left, Object right, String operator) {
        if (left instanceof Undefined undefined) {
            return undefined.error();
        }
        if (right instanceof Undefined undefined) {
            return undefined.error();
        }
        return new TemplateException("'" + operator + "' not supported between instances of '" + Types.name(left)
                + "' and '" + Types.name(right) + "'");
    }
}
