// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.DataErrors;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.JobConfig;
import java.util.List;
import java.util.Objects;

/** Whether what a job says of evaluations during its run goes together. */
public final class EvalChecks {

    private EvalChecks() {}

    /** Whether something is measured during the run. */
    public static boolean wanted(JobConfig config) {
        return !config.get(EvaluationKeys.EVAL_STRATEGY).equals("no");
    }

    /**
     * Checks the keys against each other.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG, with the key to set or remove
     */
    static void check(JobConfig config) {
        if (!wanted(config)) {
            List<ConfigKey<?>> useless = List.of(
                    EvaluationKeys.EVAL_STEPS,
                    EvaluationKeys.LOAD_BEST_MODEL_AT_END,
                    EvaluationKeys.EARLY_STOPPING_PATIENCE);
            for (ConfigKey<?> key : useless) {
                if (!Objects.equals(config.get(key), key.defaultValue())) {
                    throw DataErrors.needsEvaluations(key.name(), config.get(key));
                }
            }
            return;
        }
        if (!config.has(DataKeys.EVAL_DATASET) && config.get(DataKeys.VALIDATION_SPLIT_PERCENTAGE) == 0) {
            throw DataErrors.nothingToMeasureOn();
        }
    }
}
