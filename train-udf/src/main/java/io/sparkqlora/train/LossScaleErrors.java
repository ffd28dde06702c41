// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;

/** What can go wrong with training in float16: codes T165 to T169. */
public final class LossScaleErrors {

    private LossScaleErrors() {}

    /** Gradients overflow however little the loss is scaled. */
    public static QLoraException exhausted(long step, double loss, double scale, double learningRate) {
        return new QLoraException(
                "QLORA-T165",
                Kind.DIVERGED,
                "step " + step + " gave loss " + loss + " and gradients that are not finite, at learning rate "
                        + learningRate + " and after the loss scale of float16 had fallen to " + scale
                        + "; the adapter is kept as it was before: set bnb_4bit_compute_dtype to bfloat16, lower"
                        + " learning_rate, or look for bad rows",
                null);
    }

    /** A checkpoint is written in a type that merging has not. */
    static QLoraException mergedType(ComputeType dtype) {
        return new QLoraException(
                "QLORA-T166",
                Kind.CONFIG,
                "a merged checkpoint can't be written in " + dtype + "; choose BF16 or F32",
                null);
    }
}
