// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.data.TokenData;
import java.io.Serializable;

/**
 * What is measured while a run goes on.
 *
 * @param datasetId rows of token_shards; null where nothing is measured
 * @param steps between two evaluations
 */
public record EvalPlan(String datasetId, int steps) implements Serializable {

    private static final long serialVersionUID = 1L;

    static final EvalPlan NONE = new EvalPlan(null, Integer.MAX_VALUE);

    /**
     * A job's, on what is held out.
     *
     * @param heldOut null: nothing is measured
     */
    public static EvalPlan of(JobConfig config, TokenData heldOut) {
        ConfigKey<Integer> steps =
                config.has(EvaluationKeys.EVAL_STEPS) ? EvaluationKeys.EVAL_STEPS : RunKeys.LOGGING_STEPS;
        return heldOut == null ? NONE : new EvalPlan(heldOut.datasetId(), config.get(steps));
    }

    /** Whether something is measured. */
    public boolean any() {
        return datasetId != null;
    }

    /** The next step after one, or before the run's end, at which something is due. */
    long next(long step, long totalSteps) {
        return any() ? Math.min(totalSteps, (step / steps + 1) * steps) : totalSteps;
    }

    /** Whether it is time after a step; the run's last is evaluated too. */
    public boolean due(long step, long totalSteps) {
        return any() && (step % steps == 0 || step == totalSteps);
    }
}
