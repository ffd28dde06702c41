// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.Map;

/** Errors of learning from pairs. Codes are never reused: T190–T199. */
public final class PreferenceErrors {

    private static final Map<String, String> INSTEAD = Map.of(
            "label_smoothing_factor", "pairs have label_smoothing",
            "neftune_noise_alpha", "drop it",
            "shard_base", "set it to false, so that each rank has the base whole");

    private PreferenceErrors() {}

    /** An option that is about predicting tokens, or that was not made for pairs. */
    static QLoraException notWithPairs(String option, Object value) {
        return new QLoraException(
                "QLORA-T190",
                Kind.CONFIG,
                option + " is " + value + ", which preference training doesn't have; " + INSTEAD.get(option),
                null);
    }

    /** Several adapters at once. */
    static QLoraException oneAdapter(int slots) {
        return new QLoraException(
                "QLORA-T191",
                Kind.CONFIG,
                "preference training was asked for of " + slots
                        + " adapters side by side, and there is one in a session; train them one after another",
                null);
    }

    /** A row that is not made of pairs. */
    public static QLoraException notPairs(long row, int sequences) {
        return new QLoraException(
                "QLORA-T192",
                Kind.INPUT,
                "row " + row + " has " + sequences
                        + " sequences; preference training needs pairs of a chosen and a rejected one, in each of which a token "
                        + "counts: tokenize rows of preferences",
                null);
    }

    /** Pairs that are to be measured by who has not said how. */
    static QLoraException noPreference() {
        return new QLoraException(
                "QLORA-T193",
                Kind.CONFIG,
                "the session was opened without preference arguments, so it has no beta to measure pairs with; open it with them",
                null);
    }
}
