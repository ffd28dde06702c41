// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.StepMetrics;

/** Hears what a run does. Called from the driver's thread, {@link #onStep} and {@link #onCommit} from any. */
public interface RunObserver extends StepListener {

    /** Nothing to hear. */
    RunObserver NONE = new RunObserver() {
        @Override
        public void onStep(StepMetrics metrics) {}
    };

    /** The run begins, or goes on after {@code firstStep} committed steps. */
    default void onStart(RunInputs inputs, long firstStep) {}

    /** Groups have ended, or are in the tables; only of runs of groups, which have no steps to hear of. */
    default void onGroups(GroupProgress progress) {}

    /** Everything up to a step is in the tables. */
    default void onCommit(long step) {}

    /** Something that a person may want to know. */
    default void onMessage(String message) {}
}
