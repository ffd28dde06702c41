// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.cluster.SlotWatch;
import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.observe.JobGroup;
import io.sparkqlora.pipeline.internal.report.Reports;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import org.apache.spark.SparkContext;
import org.apache.spark.sql.Row;

/** The driver of a run: chunk after chunk, from the last commit to the last step, each beside the commit of the one before. */
final class TrainingRun implements RunEnding.Body {

    private final JobTables tables;
    private final JobConfig config;
    private final RunSpec spec;
    private final RunObserver observer;
    private final RankKeys ranks;
    private final TrainingProfile profile;
    /** Changed by the thread that commits, and read when that has ended. */
    private volatile RunRecord record;

    private EvalHistory history;
    private Reports reports;

    TrainingRun(JobTables tables, JobConfig config, RunSpec spec, RunRecord record, RunObserver observer) {
        this.tables = tables;
        this.config = config;
        this.spec = spec;
        this.record = record;
        this.observer = observer;
        this.ranks = RankKeys.of(tables.spark(), config.get(ExecutorKeys.NUM_PROCESSES));
        this.profile = TrainingProfile.of(tables.spark().sparkContext(), config.get(ModelKeys.BACKEND));
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
        reports = Reports.open(tables, config, spec.runId(), last.chunk(), observer::onMessage);
        history = EvalHistory.read(tables, config, spec.runId(), last.step());
        try (StepChannel channel = StepChannel.open(tables.spark().sparkContext(), spec.runId(), observer);
                CommitBeside commits = new CommitBeside()) {
            chunks(last, channel, commits);
        } catch (Exception e) {
            // Scala throws checked exceptions without saying so
            reports.ended(Interruption.requested() ? "KILLED" : "FAILED");
            throw e;
        }
        reports.ended("FINISHED");
        return record.ended(RunRecord.FINISHED, null);
    }

    private void chunks(Commit committed, StepChannel channel, CommitBeside commits) {
        long total = spec.plan().totalSteps();
        Commit last = committed;
        while (last.step() < total && !history.stops()) {
            if (Interruption.requested()) {
                commits.await();
                throw PipelineErrors.runInterrupted(spec.runId(), record.lastStep());
            }
            long due = spec.evaluation().next(last.step(), total);
            long end = Math.min(due, last.step() + config.get(RunKeys.SAVE_STEPS));
            ChunkSpec chunk = new ChunkSpec(spec, last.chunk() + 1, last.step(), end);
            // the sessions that trained the last chunk are where they were
            ChunkResult result = train(chunk, last.step() > committed.step(), channel, commits);
            commits.await();
            result.evaluated().ifPresent(this::evaluated);
            commit(chunk, result, channel, commits);
            last = new Commit(chunk.chunk(), end);
        }
        if (last.step() < total) {
            observer.onMessage("stopped after step " + last.step() + " of " + total + ": eval_loss has not improved in "
                    + config.get(EvaluationKeys.EARLY_STOPPING_PATIENCE) + " evaluations");
        }
    }

    private void commit(ChunkSpec chunk, ChunkResult result, StepChannel channel, CommitBeside commits) {
        if (mayWait(chunk, result)) {
            String next = JobGroup.idOfChunk(spec.runId(), chunk.chunk() + 1);
            commits.begin(
                    () -> commit(chunk, result, channel),
                    () -> tables.spark().sparkContext().cancelJobGroup(next));
        } else {
            commit(chunk, result, channel);
        }
    }

    /** Whether the next chunk may begin before this one is committed: there is one, and writing leaves it its slots. */
    private boolean mayWait(ChunkSpec chunk, ChunkResult result) {
        return !chunk.last()
                && !history.stops()
                && result.failure().isEmpty()
                && profile.leavesRoomBeside(config.get(ExecutorKeys.NUM_PROCESSES));
    }

    private ChunkResult train(ChunkSpec chunk, boolean resident, StepChannel channel, CommitBeside commits) {
        ChunkJob job = job();
        try {
            return inGroup(chunk, () -> {
                ChunkResult result = job.run(chunk, resident, channel);
                if (!result.stateMissing()) {
                    return result;
                }
                commits.await();
                return job.run(chunk, false, channel);
            });
        } catch (Exception e) {
            // Scala throws checked exceptions without saying so
            commits.awaitAfter(e);
            throw e;
        }
    }

    private ChunkJob job() {
        return new ChunkJob(tables, ranks, profile);
    }

    /** A chunk's jobs, by the name of the chunk, which end when executors are lost for good. */
    private <T> T inGroup(ChunkSpec chunk, Supplier<T> work) {
        SparkContext spark = tables.spark().sparkContext();
        try (JobGroup group = JobGroup.ofChunk(
                        spark,
                        spec.runId(),
                        chunk.chunk(),
                        chunk.startStep(),
                        chunk.endStep(),
                        spec.plan().totalSteps());
                SlotWatch slots = SlotWatch.open(spark, group.id(), profile, config.get(ExecutorKeys.NUM_PROCESSES))) {
            return slots.during(work);
        }
    }

    /** Commits what a chunk gave; throws what ended it early. */
    private void commit(ChunkSpec chunk, ChunkResult result, StepChannel channel) {
        String group = JobGroup.idOfChunk(spec.runId(), chunk.chunk());
        Interruption.spare(
                group,
                () -> inGroup(chunk, () -> {
                    try {
                        return commit(chunk, result);
                    } catch (Exception e) {
                        // Scala throws checked exceptions without saying so
                        if (!ChunkResult.isGone(e)) {
                            throw e;
                        }
                        return commit(chunk, job().run(chunk, false, channel));
                    }
                }));
    }

    private long commit(ChunkSpec chunk, ChunkResult result) {
        if (result.step() > chunk.startStep()) {
            result.commit(config.get(RunKeys.SAVE_TOTAL_LIMIT));
            record = record.at(result.step());
            reports.committed(chunk.chunk(), result.metrics());
        }
        if (result.failure().isPresent()) {
            throw result.failure().get();
        }
        record.save(tables);
        observer.onCommit(result.step());
        return result.step();
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
     * Where a chunk ends.
     *
     * @param chunk number of the chunk; −1 before the first
     * @param step steps that are done
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
