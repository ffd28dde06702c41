// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.TrainingArguments;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** Starts a run or goes on with one: its name, its lock, its record, and whether what is recorded is this job. */
public final class RunDriver {

    private final JobTables tables;
    private final JobConfig config;
    private final RunObserver observer;

    /** A driver of a job's run in these tables. */
    public RunDriver(JobTables tables, JobConfig config, RunObserver observer) {
        this.tables = tables;
        this.config = config;
        this.observer = observer;
    }

    /**
     * Trains to the end; a run that is finished is left as it is.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFLICT if another command trains it, CONFIG if it was started with another
     *     configuration, DIVERGED, and what else ends a run
     */
    public RunRecord train(BaseModel base, TokenData data, RunDevice device) {
        return train(base, data, null, device);
    }

    /**
     * As {@link #train(BaseModel, TokenData, RunDevice)}, measuring meanwhile.
     *
     * @param heldOut what is measured on; null: nothing is
     */
    public RunRecord train(BaseModel base, TokenData data, TokenData heldOut, RunDevice device) {
        return train(base, data, device, new OneAdapter(data, heldOut));
    }

    /** As {@link #train(BaseModel, TokenData, RunDevice)}, with another way to train. */
    public RunRecord train(BaseModel base, TokenData data, RunDevice device, Training training) {
        String heldOut = training.heldOut().map(TokenData::datasetId).orElse(null);
        String runId = RunIds.of(config, base, data, heldOut, tables);
        RunInputs inputs = inputs(runId, base, data, heldOut, device, training.totalSteps());
        try (RunLock lock =
                RunLock.acquire(tables.spark().sparkContext().hadoopConfiguration(), tables.root(), inputs.runId())) {
            Objects.requireNonNull(lock);
            Optional<RunRecord> recorded = RunRecord.find(tables, inputs.runId());
            recorded.ifPresent(record -> requireSame(record.inputs(), inputs));
            RunRecord record = recorded.orElseGet(() -> RunRecord.started(inputs));
            return train(record, device, training);
        }
    }

    private RunRecord train(RunRecord record, RunDevice device, Training training) {
        if (record.status().equals(RunRecord.FINISHED)) {
            observer.onMessage("run " + record.inputs().runId() + " is finished (" + record.lastStep()
                    + " steps); nothing to do; --fresh trains another one");
            return record;
        }
        if (record.status().equals(RunRecord.DIVERGED)) {
            throw PipelineErrors.hasDiverged(record.inputs().runId(), record.lastStep(), record.error());
        }
        observer.onMessage("training " + device.describe());
        return training.execute(record);
    }

    /** One adapter on all rows, chunk after chunk. */
    private final class OneAdapter implements Training {

        private final TokenData data;
        private final TokenData heldOut;

        OneAdapter(TokenData data, TokenData heldOut) {
            this.data = data;
            this.heldOut = heldOut;
        }

        @Override
        public Optional<TokenData> heldOut() {
            return Optional.ofNullable(heldOut);
        }

        @Override
        public long totalSteps() {
            return EngineSettings.arguments(config).totalSteps(data.rows());
        }

        @Override
        public RunRecord execute(RunRecord record) {
            RunSpec spec = spec(record.inputs(), data, heldOut);
            return RunEnding.execute(tables, new TrainingRun(tables, config, spec, record, observer));
        }
    }

    private RunInputs inputs(
            String runId, BaseModel base, TokenData data, String heldOut, RunDevice device, long totalSteps) {
        return new RunInputs(
                runId,
                base.name(),
                base.fingerprint(),
                data.tokenizerHash(),
                data.source(),
                data.version(),
                data.datasetId(),
                ConfigJson.write(config),
                ConfigJson.text(SoftwareVersions.all()),
                totalSteps,
                device.name(),
                heldOut,
                FirstAdapter.hash(config));
    }

    private RunSpec spec(RunInputs inputs, TokenData data, TokenData heldOut) {
        TrainingArguments arguments = EngineSettings.arguments(config);
        StepPlan plan = new StepPlan(data.rows(), arguments.rowsPerStep(), inputs.totalSteps());
        int maxTokens = Math.multiplyExact(arguments.perDeviceTrainBatchSize(), data.maxNumTokens());
        // this command's keys, which may be others than the recorded ones where they change nothing about what is
        // trained
        return new RunSpec(
                inputs.runId(),
                ConfigJson.write(config),
                inputs.fingerprint(),
                inputs.datasetId(),
                plan,
                heldOut == null ? maxTokens : Math.max(maxTokens, heldOut.maxNumTokens()),
                EvalPlan.of(config, heldOut),
                inputs.adapterHash());
    }

    /** A run is what it was started with; going on with something else would give an adapter that nobody can make again. */
    private void requireSame(RunInputs recorded, RunInputs now) {
        Map<String, Object> before = ConfigJson.read(recorded.config()).identity();
        Map<String, Object> after = config.identity();
        for (var key : ConfigKeys.all()) {
            Object old = before.get(key.name());
            Object value = after.get(key.name());
            // as text: the order of a mapping may count
            if (!text(old).equals(text(value))) {
                throw PipelineErrors.otherConfig(
                        now.runId(), key.name(), shown(old, key.defaultValue()), shown(value, key.defaultValue()));
            }
        }
        same(now, "the base checkpoint (fingerprint)", recorded.fingerprint(), now.fingerprint());
        same(now, "the tokenizer (hash)", recorded.tokenizerHash(), now.tokenizerHash());
        same(now, "the data (version)", recorded.datasetVersion(), now.datasetVersion());
        same(now, "the data (dataset_id)", recorded.datasetId(), now.datasetId());
        same(now, "the adapter that it started from (hash)", recorded.adapterHash(), now.adapterHash());
        same(now, "the data of evaluations (dataset_id)", recorded.evalDatasetId(), now.evalDatasetId());
    }

    private static String text(Object value) {
        return ConfigJson.text(Collections.singletonMap("value", value));
    }

    private static Object shown(Object value, Object defaultValue) {
        return value == null ? defaultValue : value;
    }

    private static void same(RunInputs now, String what, Object recorded, Object value) {
        if (!Objects.equals(recorded, value)) {
            throw PipelineErrors.otherConfig(now.runId(), what, recorded, value);
        }
    }
}
