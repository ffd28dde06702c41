// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.io.Serializable;

/**
 * One Spark job of a run.
 *
 * @param run the run
 * @param chunk number of the job within the run, from 0
 * @param startStep steps that are committed
 * @param endStep steps that will be
 */
public record ChunkSpec(RunSpec run, long chunk, long startStep, long endStep) implements Serializable {

    /** Whether something is measured at its end. */
    boolean evaluates() {
        return run.evaluation().due(endStep, run.plan().totalSteps());
    }

    /** Whether the run ends with this chunk. */
    boolean last() {
        return endStep == run.plan().totalSteps();
    }
}
