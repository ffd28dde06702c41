// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Linear layers that a quantised base keeps in the compute type: transformers' {@code llm_int8_skip_modules}, which counts for 4
 * bits too.
 *
 * @param patterns as transformers matches them: a layer is meant whose full name an entry matches from its beginning, as a
 *     regular expression, or whose name ends with it; null for transformers' default, the output projection alone
 */
public record SkipModules(List<String> patterns) {

    /** The output projection alone. */
    public static final SkipModules DEFAULT = new SkipModules(null);

    private static final String OUTPUT = "lm_head";

    /**
     * Copies the list.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG for an entry that is no regular expression
     */
    public SkipModules {
        patterns = patterns == null ? null : List.copyOf(patterns);
        for (String pattern : patterns == null ? List.<String>of() : patterns) {
            try {
                Pattern.compile(pattern);
            } catch (PatternSyntaxException e) {
                throw FormatErrors.badSkipPattern(pattern, e);
            }
        }
    }

    /** Whether the layer of that full name is kept as it is. */
    public boolean skips(String module) {
        return patterns == null
                ? module.equals(OUTPUT)
                : patterns.stream().anyMatch(pattern -> matches(pattern, module));
    }

    /** Whether an entry means a layer. */
    public static boolean matches(String pattern, String module) {
        return module.endsWith(pattern)
                || Pattern.compile(pattern).matcher(module).lookingAt();
    }
}
