// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.io.Serializable;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which linear layers get an adapter: PEFT's {@code target_modules}.
 *
 * @param kind how {@code values} are read
 * @param values the names, the one regular expression, or nothing for {@link Kind#ALL_LINEAR}
 */
public record TargetModules(Kind kind, List<String> values) implements Serializable {

    /** PEFT's word for every linear layer but the output projection. */
    public static final String ALL_LINEAR_NAME = "all-linear";

    /** The three forms of PEFT's {@code target_modules}. */
    public enum Kind {
        /** A list: a module matches if its name is an entry or ends with {@code "." + entry}. */
        NAMES,
        /** A string: a regular expression that the whole name must match. */
        REGEX,
        /** {@code all-linear}: every linear layer but the output projection. */
        ALL_LINEAR
    }

    public TargetModules {
        values = List.copyOf(values);
    }

    /** Modules by name or end of name. */
    public static TargetModules names(List<String> names) {
        return new TargetModules(Kind.NAMES, names);
    }

    /** Modules by name or end of name. */
    public static TargetModules names(String... names) {
        return names(List.of(names));
    }

    /** Every linear layer but the output projection. */
    public static TargetModules allLinear() {
        return new TargetModules(Kind.ALL_LINEAR, List.of());
    }

    /**
     * A single string as PEFT reads it: {@code all-linear}, or a regular expression for the whole name.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if it is no regular expression
     */
    public static TargetModules of(String text) {
        if (text.equalsIgnoreCase(ALL_LINEAR_NAME)) {
            return allLinear();
        }
        try {
            Pattern.compile(text);
        } catch (PatternSyntaxException e) {
            throw TrainErrors.badTargetPattern(text, e);
        }
        return new TargetModules(Kind.REGEX, List.of(text));
    }

    /** Whether a linear layer of this full name, such as {@code model.layers.0.self_attn.q_proj}, gets an adapter. */
    public boolean matches(String moduleName) {
        return switch (kind) {
            case NAMES -> values.stream().anyMatch(v -> moduleName.equals(v) || moduleName.endsWith("." + v));
            case REGEX -> Pattern.matches(values.get(0), moduleName);
            case ALL_LINEAR -> !moduleName.equals("lm_head");
        };
    }

    /** What {@code adapter_config.json} holds: a list of names, or a string. */
    public Object toConfigValue() {
        return switch (kind) {
            case NAMES -> values;
            case REGEX -> values.get(0);
            case ALL_LINEAR -> ALL_LINEAR_NAME;
        };
    }
}
