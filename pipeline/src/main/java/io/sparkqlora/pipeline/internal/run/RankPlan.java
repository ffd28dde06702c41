// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import java.io.Serializable;

/**
 * Which rank takes which rows: a step's rows are cut into micro-batches, and micro-batch {@code g} is number {@code g / ranks}
 * of rank {@code g % ranks}. So a step is the same whether its batches come one after another or side by side. In an
 * epoch's last step, ranks may have fewer batches than others, or none.
 *
 * @param plan of the run
 * @param batchSize rows of a micro-batch
 * @param ranks how many there are
 */
record RankPlan(StepPlan plan, int batchSize, int ranks) implements Serializable {

    static RankPlan of(RunSpec run) {
        JobConfig config = ConfigJson.read(run.configJson());
        return new RankPlan(
                run.plan(),
                config.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE),
                config.get(ExecutorKeys.NUM_PROCESSES));
    }

    /** The rank that takes the row at a place. */
    int rankOf(long place) {
        long ofStep = place % plan.rows() % plan.rowsPerStep();
        return (int) (ofStep / batchSize % ranks);
    }

    /** Micro-batches of a step, those of all ranks. */
    int batchesOf(long step) {
        return (plan.rowsOf(step) + batchSize - 1) / batchSize;
    }

    /** The first place of a step's micro-batch; that of its successor is where it ends. */
    long firstPlace(long step, int batch) {
        return plan.firstPlace(step) + Math.min((long) batch * batchSize, plan.rowsOf(step));
    }
}
