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

    /** Adapters and weights that are not as many. */
    static QLoraException weightsNotAsMany(int adapters, int weights) {
        return config(
                171,
                "there are " + adapters + " adapters and " + weights
                        + " weights; give at least one adapter and a weight " + "for each",
                null);
    }

    /** Ranks that can't be added up. */
    public static QLoraException ranksDiffer(String ranks) {
        return config(
                172,
                "adapters of ranks " + ranks
                        + " can't be combined by combination_type linear, which adds their matrices; "
                        + "take cat, or svd",
                null);
    }

    /** A rank that a combination can't have. */
    static QLoraException svdRank(int rank, AdapterCombination.Type type, int most) {
        return config(
                173,
                "svd_rank is " + rank + " with combination_type " + type
                        + "; it is for svd alone, from 1 to the sum of the " + "adapters' ranks, " + most,
                null);
    }

    /** A module that is not the same in two adapters. */
    public static QLoraException shapesDiffer(String module, int out, int in, int otherOut, int otherIn) {
        return new QLoraException(
                "QLORA-T174",
                Kind.INPUT,
                module + " is [" + out + ", " + in + "] in one adapter and [" + otherOut + ", " + otherIn
                        + "] in another; combine adapters of one base",
                null);
    }
}
