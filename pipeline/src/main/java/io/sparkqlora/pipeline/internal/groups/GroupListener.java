// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.train.StepMetrics;

/** Hears what becomes of a task's groups while they are trained. */
interface GroupListener {

    /** A group made a step. */
    void onStep(StepMetrics metrics);

    /** A group ended. */
    void onEnd(boolean failed);
}
