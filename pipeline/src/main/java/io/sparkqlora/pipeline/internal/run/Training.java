// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

/** What a run does between its start and its end. */
public interface Training {

    /** Optimizer steps of the whole run. */
    long totalSteps();

    /** Trains what is left, and records how that ended. */
    RunRecord execute(RunRecord record);
}
