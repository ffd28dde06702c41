// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.FormatErrors;
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
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.AdapterStore;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.EvalHistory;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.MergedCheckpoint;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.QuantizedCheckpoint;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Row;

/**
 * A committed adapter that a command works on.
 *
 * @param run its run
 * @param config what the run was started with, on the base and the device that the job names
 * @param group the group that it was trained on; null in a run without groups
 * @param step optimizer steps that it has seen
 * @param adapter the adapter
 */
public record RunChoice(RunRecord run, JobConfig config, String group, long step, Adapter adapter) {

    /**
     * The adapter of the given run, group and step; without a run, of the job's {@code run_id}, or else of the run that was started
     * last; without a step, the last that is committed.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if there is none
     */
    public static RunChoice of(Workspace work, String runId, String group, Long step) {
        String wanted = runId == null ? work.config().get(RunKeys.RUN_ID) : runId;
        RunRecord run = (wanted == null ? latest(work) : RunRecord.find(work.tables(), wanted))
                .orElseThrow(() -> PipelineErrors.noRun(wanted, work.tables().root(), known(work)));
        AdapterStore adapters = new AdapterStore(work.tables());
        GroupChoice.check(work.tables(), run, group);
        long at = adapters.step(run.inputs().runId(), group, step == null ? bestStep(work.tables(), run) : step);
        return new RunChoice(run, config(run, work.config()), group, at, adapters.read(run, group, at));
    }

    /** The step of a run's best adapter, where the run is to give that one; null: it gives its last. */
    public static Long bestStep(JobTables tables, RunRecord run) {
        JobConfig config = ConfigJson.read(run.inputs().config());
        if (!config.get(EvaluationKeys.LOAD_BEST_MODEL_AT_END)) {
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
        // one adapter is worked on, and the memory is that of one; what it was made from is not needed
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
        JobConfig alone = config.set(ExecutorKeys.NUM_PROCESSES, 1)
                .set(ExecutorKeys.SHARD_BASE, false)
                .build();
        return BaseFolder.pinned(BaseFolder.pinnedAs(run.inputs().base(), alone));
    }

    /** The same with a backend that was found, in place of {@code auto}. */
    public RunChoice withBackend(String backend) {
        JobConfig found = config.toBuilder().set(ModelKeys.BACKEND, backend).build();
        return new RunChoice(run, found, group, step, adapter);
    }

    /**
     * Writes the base with the adapter merged into it, on the processor, whose 4-bit weights are those of a GPU.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if the base is not the run's; CONFIG if the folder can't be written
     */
    public void merge(ComputeType dtype, Path out) {
        try (Checkpoint base = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
                Device device = Devices.open("cpu")) {
            BaseModel.requireSame(base, run.inputs().fingerprint());
            MergedCheckpoint.write(
                    device, base, EngineSettings.quantization(config, base.config()), adapter, dtype, out);
        }
    }

    /**
     * As {@link #merge}, in the 4 bits that the run was trained with.
     *
     * @throws io.sparkqlora.kernels.QLoraException as {@link #merge}, and CONFIG if the run was trained without
     */
    public QuantizedCheckpoint mergeQuantized(ComputeType dtype, Path out) {
        if (!config.get(QuantizationKeys.LOAD_IN_4BIT)) {
            throw FormatErrors.noFormatToMergeTo(run.inputs().runId());
        }
        try (Checkpoint base = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
                Device device = Devices.open("cpu")) {
            BaseModel.requireSame(base, run.inputs().fingerprint());
            StoredFormat.of(config, base.config());
            QuantizationConfig held = EngineSettings.quantization(config, base.config());
            return QuantizedCheckpoint.writeMerged(device, base, held, adapter, dtype, out);
        }
    }

    /** The adapter's id: run_id@step, or run_id/group_key@step. */
    public String adapterId() {
        return run.inputs().runId() + (group == null ? "" : "/" + group) + "@" + step;
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
