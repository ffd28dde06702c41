// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.run.AdapterStore;
import io.sparkqlora.pipeline.internal.run.EvalHistory;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Row;

/** Which committed adapter a command works on. */
public final class RunChoice {

    private RunChoice() {}

    /**
     * The adapter of the given run, group and step; without a run, of the job's {@code run_id}, or else of the run that was started
     * last; without a step, the last that is committed.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if there is none
     */
    public static AdapterChoice of(Workspace work, String runId, String group, Long step) {
        String wanted = runId == null ? work.config().get(RunKeys.RUN_ID) : runId;
        RunRecord run = (wanted == null ? latest(work) : RunRecord.find(work.tables(), wanted))
                .orElseThrow(() -> PipelineErrors.noRun(wanted, work.tables().root(), known(work)));
        AdapterStore adapters = new AdapterStore(work.tables());
        GroupChoice.check(work.tables(), run, group);
        long at = adapters.step(run.inputs().runId(), group, step == null ? bestStep(work.tables(), run) : step);
        return new AdapterChoice(
                AdapterSource.of(run.inputs(), group, at), config(run, work.config()), adapters.read(run, group, at));
    }

    /**
     * The step of a run's best adapter, where the run is to give that one; null: it gives its last. A group has one adapter, which is
     * its best then.
     */
    public static Long bestStep(JobTables tables, RunRecord run) {
        JobConfig config = ConfigJson.read(run.inputs().config());
        if (!config.get(EvaluationKeys.LOAD_BEST_MODEL_AT_END) || config.has(GroupKeys.GROUP_BY)) {
            return null;
        }
        return EvalHistory.read(tables, config, run.inputs().runId(), run.lastStep())
                .best()
                .map(EvalHistory.Evaluated::step)
                .orElse(null);
    }

    /** What was measured last while the run went on. */
    public static Optional<EvalHistory.Evaluated> lastEvaluation(JobTables tables, RunRecord run) {
        JobConfig config = ConfigJson.read(run.inputs().config());
        return EvalHistory.read(tables, config, run.inputs().runId(), run.lastStep())
                .last();
    }

    /**
     * What decides the numbers is the run's; where the base lies, what fits into this machine's memory and what is measured is the
     * job's. One task has the whole base, however many ranks trained.
     */
    private static JobConfig config(RunRecord run, JobConfig job) {
        JobConfigBuilder config = ConfigJson.read(run.inputs().config()).toBuilder();
        for (ConfigKey<?> key : List.of(
                ModelKeys.MODEL_NAME_OR_PATH,
                ModelKeys.CACHE_DIR,
                ModelKeys.BACKEND,
                ModelKeys.MAX_MEMORY,
                TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE,
                TrainingKeys.RECOMPUTE,
                PreferenceKeys.STAGE,
                PreferenceKeys.BETA,
                PreferenceKeys.LABEL_SMOOTHING)) {
            config.set(key.name(), job.get(key));
        }
        if (job.isSet(QuantizationKeys.BNB_4BIT_QUANT_STORAGE)) {
            config.set(QuantizationKeys.BNB_4BIT_QUANT_STORAGE, job.get(QuantizationKeys.BNB_4BIT_QUANT_STORAGE));
        }
        return BaseFolder.pinned(
                BaseFolder.pinnedAs(run.inputs().base(), alone(config).build()));
    }

    /** What is worked on is one adapter, in one task, and the memory is that of one; what it was made from is not needed. */
    static JobConfigBuilder alone(JobConfigBuilder config) {
        for (ConfigKey<?> key : List.of(
                AdapterKeys.ADAPTER_NAME_OR_PATH,
                GroupKeys.GROUP_BY,
                GroupKeys.GROUP_HYPERPARAMETERS,
                GroupKeys.GROUPS_PER_DEVICE)) {
            config.set(key.name(), null);
        }
        // of training alone, and not for pairs
        for (ConfigKey<?> key : List.of(TrainingKeys.LABEL_SMOOTHING_FACTOR, TrainingKeys.NEFTUNE_NOISE_ALPHA)) {
            config.set(key.name(), null);
        }
        return config.set(ExecutorKeys.NUM_PROCESSES, 1).set(ExecutorKeys.SHARD_BASE, false);
    }

    private static Optional<RunRecord> latest(Workspace work) {
        List<Row> ids = work.tables()
                .read(Table.RUNS)
                .orderBy(col("started_at").desc())
                .select("run_id")
                .limit(1)
                .collectAsList();
        return ids.stream().findFirst().flatMap(row -> RunRecord.find(work.tables(), row.getString(0)));
    }

    private static List<String> known(Workspace work) {
        return work.tables().read(Table.RUNS).select("run_id").collectAsList().stream()
                .map(row -> row.getString(0))
                .sorted()
                .toList();
    }
}
