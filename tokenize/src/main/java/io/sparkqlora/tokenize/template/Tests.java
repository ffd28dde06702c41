// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Operators.Comparison;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The tests by name. */
final class Tests {

    private static final Map<String, Test> TESTS = new HashMap<>();

    static {
        plain("defined", value -> !(value instanceof Undefined));
        plain("undefined", value -> value instanceof Undefined);
        plain("none", value -> value == null);
        plain("boolean", value -> value instanceof Boolean);
        plain("true", value -> Boolean.TRUE.equals(value));
        plain("false", value -> Boolean.FALSE.equals(value));
        plain("integer", value -> value instanceof Long);
        plain("float", value -> value instanceof Double);
        plain("number", Types::isNumber);
        plain("string", value -> value instanceof String || value instanceof Markup);
        plain("mapping", value -> value instanceof Map);
        plain("sequence", value -> isSequence(value));
        plain("iterable", Values::isIterable);
        plain("callable", value -> value instanceof Callable || value instanceof Undefined || value instanceof Loop);
        plain("escaped", value -> value instanceof Markup);
        plain("lower", value -> StringCases.isCased(Repr.str(value), false));
        plain("upper", value -> StringCases.isCased(Repr.str(value), true));
        plain("odd", value -> remainder(value, 2L) == 1);
        plain("even", value -> remainder(value, 2L) == 0);
        plain("filter", value -> Filters.find(Repr.str(Dicts.key(value))) != null);
        plain("test", value -> find(Repr.str(Dicts.key(value))) != null);
        binary("test_divisibleby", (value, other) -> remainder(value, other) == 0, "divisibleby");
        binary("test_in", (value, other) -> Values.contains(other, value), "in");
        binary("test_sameas", Tests::isSame, "sameas");
        comparison(Comparison.EQ, "eq", "==", "equalto");
        comparison(Comparison.NE, "ne", "!=");
        comparison(Comparison.GT, "gt", ">", "greaterthan");
        comparison(Comparison.GE, "ge", ">=");
        comparison(Comparison.LT, "lt", "<", "lessthan");
        comparison(Comparison.LE, "le", "<=");
    }

    private Tests() {}

    /** The test, or null. */
    static Test find(String name) {
        return TESTS.get(name);
    }

    private interface Plain {
        boolean test(Object value);
    }

    private interface Pair {
        boolean test(Object value, Object other);
    }

    private static void plain(String name, Plain test) {
        Signature signature = new Signature("test_" + name, "value");
        TESTS.put(name, (value, arguments) -> {
            signature.bind(value, arguments);
            return test.test(value);
        });
    }

    private static void binary(String function, Pair test, String... names) {
        Signature signature = new Signature(function, "value", "other");
        for (String name : names) {
            TESTS.put(name, (value, arguments) -> {
                Signature.Bound bound = signature.bind(value, positional(arguments));
                return test.test(value, bound.get("other"));
            });
        }
    }

    /** Named arguments of the two-argument tests are called num, seq or other. */
    private static Arguments positional(Arguments arguments) {
        if (arguments.named().size() == 1) {
            return Arguments.of(List.copyOf(arguments.named().values()));
        }
        return arguments;
    }

    private static void comparison(Comparison comparison, String function, String... others) {
        Pair test = (value, other) -> Comparisons.compare(comparison, value, other);
        binary(function, test, function);
        binary(function, test, others);
    }

    private static boolean isSequence(Object value) {
        return value instanceof Undefined
                || (Values.isSized(value) && !(value instanceof View) && !(value instanceof Loop));
    }

    private static boolean isSame(Object value, Object other) {
        if (value == null || value instanceof Boolean || value instanceof String || value instanceof Long) {
            return value == null ? other == null : value.equals(other);
        }
        return value == other;
    }

    private static double remainder(Object value, Object divisor) {
        Object remainder = Arithmetic.binary("%", value, divisor);
        return Types.isNumber(remainder) ? Types.asDouble(remainder) : -1;
    }
}
