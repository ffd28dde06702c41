// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.StepMetrics;

/** Hears of each step while a chunk runs. */
@FunctionalInterface
public interface StepListener {

    /** A step is done; not committed yet. */
    void onStep(StepMetrics metrics);
}
