// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QLoraException;

/**
 * What became of one adapter's step among others'.
 *
 * @param metrics of the step, whose {@code seconds} are those of all adapters' steps together; null if it failed
 * @param failure why there was no step; null if there was one
 */
public record SlotOutcome(StepMetrics metrics, QLoraException failure) {

    /** A step that was made. */
    public static SlotOutcome done(StepMetrics metrics) {
        return new SlotOutcome(metrics, null);
    }

    /** None: the adapter, its optimizer and its step are as before. */
    public static SlotOutcome failed(QLoraException failure) {
        return new SlotOutcome(null, failure);
    }

    /** The metrics, or the failure thrown. */
    public StepMetrics orThrow() {
        if (failure != null) {
            throw failure;
        }
        return metrics;
    }
}
