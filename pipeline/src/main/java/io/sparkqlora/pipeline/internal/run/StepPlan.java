// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.io.Serializable;

/**
 * Which places of the data order each optimizer step takes. As in transformers, an epoch's last step takes what is left of
 * it, and no step spans two epochs. A place is counted through all epochs: place {@code e·rows + p} is place p of epoch e.
 *
 * @param rows packed rows of the data set
 * @param rowsPerStep of a full step
 * @param totalSteps of the run
 */
public record StepPlan(long rows, int rowsPerStep, long totalSteps) implements Serializable {

    /** Optimizer steps of one epoch. */
    long stepsPerEpoch() {
        return (rows + rowsPerStep - 1) / rowsPerStep;
    }

    /** The first place of a step, steps counted from 0; of {@code totalSteps}, the end of the run. */
    public long firstPlace(long step) {
        return step / stepsPerEpoch() * rows + step % stepsPerEpoch() * rowsPerStep;
    }

    /** Rows of a step. */
    int rowsOf(long step) {
        return (int) (firstPlace(step + 1) - firstPlace(step));
    }

    /** Passes over the data once {@code steps} steps are done, with the fraction. */
    public double epoch(long steps) {
        return (double) firstPlace(steps) / rows;
    }
}
