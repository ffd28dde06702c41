// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.regex.PatternSyntaxException;

/** Errors of adapters whose modules differ, and of adapters that are combined. Codes are never reused: T170–T179. */
public final class AdapterErrors {

    private AdapterErrors() {}

    private static QLoraException config(int code, String message, Throwable cause) {
        return new QLoraException(String.format("QLORA-T%03d", code), Kind.CONFIG, message, cause);
    }

    /** A key of rank_pattern or alpha_pattern that is no regular expression. */
    static QLoraException badPattern(String expression, PatternSyntaxException cause) {
        return config(
                170,
                "rank_pattern or alpha_pattern: " + expression + " is not a regular expression: "
                        + cause.getDescription() + "; give the end of a module's name, such as v_proj, or a valid "
                        + "expression",
                cause);
    }
}
