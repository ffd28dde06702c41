// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** Errors about which rows a job works on and what is measured meanwhile. Codes P130–P149; never reused. */
public final class DataErrors {

    private DataErrors() {}

    /** Datasets are mixed by proportions that aren't given. */
    public static QLoraException noProbabilities(String strategy, int datasets) {
        return error(
                130,
                "mix_strategy " + strategy + " needs interleave_probs, and there are none; give " + datasets
                        + " numbers, one for each dataset, or set mix_strategy to concat");
    }

    /** Proportions that nothing asks for. */
    public static QLoraException unusedProbabilities(String probabilities) {
        return error(
                131,
                "interleave_probs " + probabilities
                        + " change nothing where datasets are only put together; set mix_strategy "
                        + "to interleave_under or interleave_over, or remove them");
    }

    /** Not one proportion for each dataset. */
    public static QLoraException otherProbabilities(String probabilities, int datasets) {
        return error(
                132,
                "interleave_probs are " + probabilities + " and dataset names " + datasets
                        + " sources; give one number for " + "each, in their order");
    }

    private static QLoraException error(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }
}
