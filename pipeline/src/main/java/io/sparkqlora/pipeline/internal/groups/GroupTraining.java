// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.LogWindow;
import io.sparkqlora.pipeline.internal.run.StepPlan;
import io.sparkqlora.train.BatchOrder;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainingArguments;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A group that is being trained: its rows in the order of its own seed, and what its log needs. */
final class GroupTraining implements AutoCloseable {

    private final GroupWork work;
    private final TrainingArguments arguments;
    private final StepPlan plan;
    private final SpooledRows rows;
    private final LogWindow window;
    private final GroupEvaluation evaluation;
    private long stepsDone;
    private Double lastLoss;

    /**
     * @param rows the group's; closed with this
     * @param evaluation closed with this; null where nothing is measured
     */
    GroupTraining(
            GroupWork work,
            TrainingArguments arguments,
            int loggingSteps,
            SpooledRows rows,
            GroupEvaluation evaluation) {
        this.work = work;
        this.arguments = arguments;
        this.plan = new StepPlan(work.rows(), arguments.rowsPerStep(), work.steps());
        this.rows = rows;
        this.window = new LogWindow(loggingSteps, work.steps());
        this.evaluation = evaluation;
    }

    String key() {
        return work.key();
    }

    TrainingArguments arguments() {
        return arguments;
    }

    long stepsDone() {
        return stepsDone;
    }

    /** Mean loss of the last row of its log; null if it ended before the first. */
    Double lastLoss() {
        return lastLoss;
    }

    boolean done() {
        return stepsDone == work.steps() || (evaluation != null && evaluation.stops());
    }

    /** What measures it now; empty where it is not time. */
    Optional<GroupEvaluation> due() {
        return Optional.ofNullable(evaluation).filter(each -> each.due(stepsDone, work.steps()));
    }

    /** The adapter that it gives, where that is not its last. */
    Optional<GroupEvaluation.Best> best() {
        return Optional.ofNullable(evaluation).map(GroupEvaluation::best);
    }

    /** The micro-batches of the next step. */
    List<List<PackedRow>> next() {
        List<List<PackedRow>> batches = new ArrayList<>();
        long end = plan.firstPlace(stepsDone + 1);
        int size = arguments.perDeviceTrainBatchSize();
        for (long from = plan.firstPlace(stepsDone); from < end; from += size) {
            batches.add(rows(from, Math.min(end, from + size)));
        }
        return batches;
    }

    private List<PackedRow> rows(long from, long to) {
        List<PackedRow> batch = new ArrayList<>();
        long count = plan.rows();
        for (long place = from; place < to; place++) {
            batch.add(rows.row(BatchOrder.rowIndex(arguments.seed(), place / count, count, place % count)));
        }
        return batch;
    }

    /** A step is made; gives the row of a logged one. */
    Optional<StepMetrics> made(StepMetrics metrics) {
        stepsDone = metrics.step();
        Optional<StepMetrics> logged = window.add(metrics);
        logged.ifPresent(row -> lastLoss = row.loss());
        return logged;
    }

    /** Passes over the group's rows so far. */
    double epoch() {
        return plan.epoch(stepsDone);
    }

    @Override
    public void close() {
        Closing.all(evaluation == null ? List.of(rows) : List.of(rows, evaluation));
    }
}
