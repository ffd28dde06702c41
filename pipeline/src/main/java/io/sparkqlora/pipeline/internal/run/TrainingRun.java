// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.cluster.SlotWatch;
import io.sparkqlora.pipeline.internal.observe.JobGroup;
import io.sparkqlora.pipeline.internal.report.Reports;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;

/** The driver of a run: chunk after chunk, from the last commit to the last step. */
final class TrainingRun implements RunEnding.Body {

    private final JobTables tables;
    private final JobConfig config;
    private final RunSpec spec;
    private final RunObserver observer;
    private final RankKeys ranks;
    private RunRecord record;
    private EvalHistory history;
    private Reports reports;

    TrainingRun(JobTables tables, JobConfig config, RunSpec spec, RunRecord record, RunObserver observer) {
        this.tables = tables;
        this.config = config;
        this.spec = spec;
        this.record = record;
        this.observer = observer;
        this.ranks = RankKeys.of(tables.spark(), config.get(ExecutorKeys.NUM_PROCESSES));
    }

    @Override
    public RunRecord now() {
        return record;
    }

    @Override
    public RunRecord train() {
        Commit last = lastCommit();
        record = record.at(last.step());
        record.save(tables);
        observer.onStart(record.inputs(), last.step());
        long total = spec.plan().totalSteps();
        reports = Reports.open(tables, config, spec.runId(), last.chunk());
        history = EvalHistory.read(tables, config, spec.runId(), last.step());
        try (StepChannel channel = StepChannel.open(tables.spark().sparkContext(), spec.runId(), observer)) {
            while (last.step() < total && !history.stops()) {
                if (Interruption.requested()) {
                    throw PipelineErrors.runInterrupted(spec.runId(), last.step());
                }
                last = chunk(last, channel);
            }
        }
        if (last.step() < total) {
            observer.onMessage("stopped after step " + last.step() + " of " + total + ": eval_loss has not improved in "
                    + config.get(EvaluationKeys.EARLY_STOPPING_PATIENCE) + " evaluations");
        }
        return record.ended(RunRecord.FINISHED, null);
    }

    private Commit chunk(Commit last, StepChannel channel) {
        long number = last.chunk() + 1;
        long due = spec.evaluation().next(last.step(), spec.plan().totalSteps());
        long end = Math.min(due, last.step() + config.get(RunKeys.SAVE_STEPS));
        ChunkSpec chunk = new ChunkSpec(spec, number, last.step(), end);
        try (JobGroup group = JobGroup.ofChunk(
                tables.spark().sparkContext(),
                spec.runId(),
                number,
                last.step(),
                end,
                spec.plan().totalSteps())) {
            return watched(group, () -> chunk(last, chunk, channel));
        }
    }

    /** A group's jobs, which end when executors are lost for good. */
    private Commit watched(JobGroup group, Supplier<Commit> work) {
        try (SlotWatch slots =
                SlotWatch.open(tables.spark().sparkContext(), group.id(), config.get(ExecutorKeys.NUM_PROCESSES))) {
            return slots.during(work);
        }
    }

    private Commit chunk(Commit last, ChunkSpec chunk, StepChannel channel) {
        ChunkResult result = new ChunkJob(tables, ranks).run(chunk, channel);
        if (result.step() > last.step()) {
            result.commit(config.get(RunKeys.SAVE_TOTAL_LIMIT));
            record = record.at(result.step());
            reports.committed(chunk.chunk(), result.metrics());
        }
        if (result.failure().isPresent()) {
            throw result.failure().get();
        }
        record.save(tables);
        result.evaluated().ifPresent(this::evaluated);
        observer.onCommit(result.step());
        return new Commit(chunk.chunk(), result.step());
    }

    private void evaluated(EvalHistory.Evaluated evaluated) {
        history.add(evaluated);
        boolean best = history.best().orElseThrow().equals(evaluated);
        observer.onMessage(String.format(
                Locale.ROOT,
                "step %d  eval_loss %.4f%s",
                evaluated.step(),
                evaluated.loss(),
                best ? ", the best so far" : ""));
    }

    /**
     * A commit.
     *
     * @param chunk number of the chunk; −1 before the first
     * @param step steps that are committed
     */
    private record Commit(long chunk, long step) {}

    private Commit lastCommit() {
        List<Row> states = tables.read(Table.TRAINING_STATE)
                .where(col("run_id").equalTo(spec.runId()))
                .select("chunk", "step")
                .distinct()
                .orderBy(col("chunk").desc())
                .limit(1)
                .collectAsList();
        if (states.isEmpty()) {
            return new Commit(-1, 0);
        }
        long step = states.get(0).getLong(1);
        if (step > spec.plan().totalSteps()) {
            throw PipelineErrors.stateBeyondRun(spec.runId(), step, spec.plan().totalSteps());
        }
        return new Commit(states.get(0).getLong(0), step);
    }
}
