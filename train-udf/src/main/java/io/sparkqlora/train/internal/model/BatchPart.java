// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;

/**
 * The rows of a micro-batch that one adapter is trained on.
 *
 * @param rows laid out
 * @param adapter whose gradients are added to
 * @param draw random numbers, rows counted from the part's first; null where nothing is random
 * @param labelSmoothing of the loss, 0 for none
 * @param gradientScale gradients are those of so many times the sum of losses
 * @param preference what pairs cost; null where rows are no pairs. A micro-batch of pairs has one part
 * @param lossSum F64 [1], in nats, added to; of pairs F64 [1, {@link PreferenceLoss#NUMBERS}]
 */
public record BatchPart(
        HostBatch rows,
        ModelAdapter adapter,
        DropoutMasks.Draw draw,
        float labelSmoothing,
        float gradientScale,
        PreferenceLoss.Dpo preference,
        Tensor lossSum) {

    /**
     * What of it decides which operations are issued, and on which memory. The tokens do not, nor what is drawn but for
     * the seed: those lie on the device.
     */
    record Shape(
            int tokens,
            int targets,
            ModelAdapter adapter,
            float labelSmoothing,
            float gradientScale,
            PreferenceLoss.Dpo preference,
            DropoutMasks.Draw draw,
            Tensor lossSum) {}

    /** Of rows that are no pairs. */
    public BatchPart(
            HostBatch rows,
            ModelAdapter adapter,
            DropoutMasks.Draw draw,
            float labelSmoothing,
            float gradientScale,
            Tensor lossSum) {
        this(rows, adapter, draw, labelSmoothing, gradientScale, null, lossSum);
    }

    Shape shape() {
        DropoutMasks.Draw first = draw == null ? null : draw.first();
        return new Shape(
                rows.tokens(),
                rows.targetRows().length,
                adapter,
                labelSmoothing,
                gradientScale,
                preference,
                first,
                lossSum);
    }
}
