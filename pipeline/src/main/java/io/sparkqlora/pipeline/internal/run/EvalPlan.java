// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.io.Serializable;

/**
 * What is measured while a run goes on.
 *
 * @param datasetId rows of token_shards; null where nothing is measured
 * @param steps between two evaluations
 */
record EvalPlan(String datasetId, int steps) implements Serializable {

    private static final long serialVersionUID = 1L;

    static final EvalPlan NONE = new EvalPlan(null, Integer.MAX_VALUE);

    boolean any() {
        return datasetId != null;
    }

    /** The next step after one, or before the run's end, at which something is due. */
    long next(long step, long totalSteps) {
        return any() ? Math.min(totalSteps, (step / steps + 1) * steps) : totalSteps;
    }

    /** Whether it is time after a step; the run's last is evaluated too. */
    boolean due(long step, long totalSteps) {
        return any() && (step % steps == 0 || step == totalSteps);
    }
}
