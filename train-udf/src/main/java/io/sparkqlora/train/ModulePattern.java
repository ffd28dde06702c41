// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * A number that some modules have of their own: PEFT's {@code rank_pattern} or {@code alpha_pattern}. An entry is of a module
 * if its expression matches the module's whole name or, after a dot, the end of it; the first such entry counts.
 *
 * @param entries in the order in which they are tried
 */
public record ModulePattern(List<Entry> entries) implements Serializable {

    /** Of no module. */
    public static final ModulePattern NONE = new ModulePattern(List.of());

    /**
     * One entry.
     *
     * @param expression a regular expression, such as {@code v_proj} or {@code .*layers[.]0[.].*}
     * @param value the number of the modules that it matches
     */
    public record Entry(String expression, double value) implements Serializable {

        public Entry {
            pattern(expression);
        }

        /** Whether it is of a module of this full name. */
        public boolean matches(String module) {
            return pattern(expression).matcher(module).lookingAt();
        }

        /** As PEFT's {@code get_pattern_key} has it. */
        private static Pattern pattern(String expression) {
            try {
                return Pattern.compile("(.*\\.)?(" + expression + ")$");
            } catch (PatternSyntaxException e) {
                throw AdapterErrors.badPattern(expression, e);
            }
        }
    }

    public ModulePattern {
        entries = List.copyOf(entries);
    }

    /**
     * Expressions and their numbers, in the mapping's order.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if one is no regular expression
     */
    public static ModulePattern of(Map<String, ? extends Number> values) {
        List<Entry> entries = new ArrayList<>();
        values.forEach((expression, value) -> entries.add(new Entry(expression, value.doubleValue())));
        return new ModulePattern(entries);
    }

    /** The number of a module of this full name, if it has one of its own. */
    public OptionalDouble of(String module) {
        return entries.stream()
                .filter(entry -> entry.matches(module))
                .mapToDouble(Entry::value)
                .findFirst();
    }

    /** What {@code adapter_config.json} holds: a mapping in this order, whole numbers as such. */
    public Map<String, Number> toConfigValue() {
        Map<String, Number> values = new LinkedHashMap<>();
        entries.forEach(entry -> values.put(entry.expression(), number(entry.value())));
        return values;
    }

    private static Number number(double value) {
        return value == Math.rint(value) && Math.abs(value) < Integer.MAX_VALUE ? (Number) (int) value : (Number) value;
    }

    @Override
    public String toString() {
        return toConfigValue().toString();
    }
}
