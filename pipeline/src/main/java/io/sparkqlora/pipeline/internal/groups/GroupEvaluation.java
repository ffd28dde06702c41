// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.run.EvalHistory;
import io.sparkqlora.pipeline.internal.run.EvalPlan;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.MultiAdapterSession;
import io.sparkqlora.train.PackedRow;
import java.util.ArrayList;
import java.util.List;

/**
 * What is measured of a group while it is trained, on rows of its own that are held out; and what follows from that. A group of which
 * no row is held out is never measured, and is trained to its end. A group is trained in one go, so nothing of this is stored.
 */
final class GroupEvaluation implements AutoCloseable {

    private final EvalPlan plan;
    private final SpooledRows rows;
    private final int atOnce;
    private final boolean keepsBest;
    private final EvalHistory history;
    private Best best;

    /** An adapter and the steps that it has seen. */
    record Best(long step, Adapter adapter) {}

    GroupEvaluation(EvalPlan plan, JobConfig config, SpooledRows rows) {
        this.plan = plan;
        this.rows = rows;
        this.atOnce = config.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE);
        this.keepsBest = config.get(EvaluationKeys.LOAD_BEST_MODEL_AT_END);
        this.history = new EvalHistory(config);
    }

    /** Whether it is time after a step. */
    boolean due(long step, long totalSteps) {
        return rows.count() > 0 && plan.due(step, totalSteps);
    }

    /** Measures the adapter in a slot, and keeps it if it is to be kept. */
    LossSum measure(MultiAdapterSession session, int slot) {
        LossSum sum = LossSum.ZERO;
        // so many rows as always fit: what goes through the model together doesn't depend on other groups
        for (int from = 0; from < rows.count(); from += atOnce) {
            sum = sum.plus(session.evaluate(slot, rows(from, Math.min(rows.count(), from + atOnce)), true));
        }
        long step = session.stepsDone(slot);
        history.add(new EvalHistory.Evaluated(step, sum.mean()));
        if (keepsBest && history.best().orElseThrow().step() == step) {
            best = new Best(step, session.adapter(slot));
        }
        return sum;
    }

    private List<PackedRow> rows(int from, int to) {
        List<PackedRow> batch = new ArrayList<>();
        for (int i = from; i < to; i++) {
            batch.add(rows.row(i));
        }
        return batch;
    }

    /** Whether the group gets no better, as the job says when that is. */
    boolean stops() {
        return history.stops();
    }

    /** The adapter that the group is to give, where that is the best; null: its last. */
    Best best() {
        return best;
    }

    @Override
    public void close() {
        rows.close();
    }
}
