// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.DataPart;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.job.EvalChecks;
import io.sparkqlora.pipeline.internal.job.TokenDatasets;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.run.RunDriver;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.run.TensorRows;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Runs of tiny groups. */
final class TestGroups {

    private final Workspace work;
    private final TokenData data;
    private final TokenData heldOut;

    private TestGroups(Workspace work, TokenData data, TokenData heldOut) {
        this.work = work;
        this.data = data;
        this.heldOut = heldOut;
    }

    /** A row of a group; {@code settings} is JSON or null. */
    static String row(String key, int number, String settings) {
        return "{\"key\":\"" + key + "\",\"set\":" + settings + ",\"messages\":[{\"role\":\"user\",\"content\":\"say "
                + number + "\"},{\"role\":\"assistant\",\"content\":\"" + key + "-" + number + "\"}]}\n";
    }

    /** A job whose groups make two steps an epoch or so, in waves of about {@code saveSteps} steps a device. */
    static JobConfigBuilder job(Path dir, Path data, int saveSteps) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", data.toString())
                .set("run_id", "many")
                .set("max_seq_length", 48)
                .set("packing", false)
                .set("group_by", "key")
                .set("group_hyperparameters", "set")
                .set("max_steps", -1)
                .set("num_train_epochs", 2)
                .set("gradient_accumulation_steps", 1)
                .set("save_steps", saveSteps);
    }

    /** Tokenises a job's data. */
    static TestGroups of(JobConfig config, RunObserver observer) {
        Workspace work = Workspace.open(TestSpark.session(), config, observer);
        TokenData data = TokenDatasets.prepare(work, DataPart.TRAINING, longest -> {});
        TokenData heldOut = config.has(DataKeys.EVAL_DATASET)
                ? TokenDatasets.prepare(work, DataPart.EVALUATION, longest -> {})
                : null;
        return new TestGroups(work, data, heldOut);
    }

    /** The same data in another run. */
    TestGroups with(JobConfig config, RunObserver observer) {
        TokenData measured = EvalChecks.wanted(config) ? heldOut : null;
        return new TestGroups(Workspace.open(TestSpark.session(), config, observer), data, measured);
    }

    TokenData data() {
        return data;
    }

    /** Trains on so many devices, which here are this process's. */
    RunRecord train(int devices) {
        JobConfig config = work.config();
        GroupedTraining training =
                new GroupedTraining(work.tables(), config, data, heldOut, work.observer(), () -> devices);
        return new RunDriver(work.tables(), config, work.observer())
                .train(
                        BaseModel.open(Path.of(config.get(ModelKeys.MODEL_NAME_OR_PATH))),
                        data,
                        RunDevices.here(config.get(ModelKeys.BACKEND)),
                        training);
    }

    /** Trains a job without groups; gives its adapter. */
    List<NamedTensor> ungrouped() {
        JobConfig config = work.config();
        RunRecord run = new RunDriver(work.tables(), config, work.observer())
                .train(
                        BaseModel.open(Path.of(config.get(ModelKeys.MODEL_NAME_OR_PATH))),
                        data,
                        RunDevices.here(config.get(ModelKeys.BACKEND)));
        return adapters(run.inputs().runId()).get("");
    }

    Dataset<Row> read(Table table, String runId) {
        return work.tables().read(table).where("run_id = '" + runId + "'");
    }

    /** Status or error code by key. */
    Map<String, String> states(String runId) {
        Map<String, String> states = new TreeMap<>();
        read(Table.GROUPS, runId)
                .collectAsList()
                .forEach(row -> states.put(
                        row.getAs("group_key"),
                        row.getAs("error_code") == null ? row.getAs("status") : row.getAs("error_code")));
        return states;
    }

    /** The adapters of a run by group; that of a run without groups under "". */
    Map<String, List<NamedTensor>> adapters(String runId) {
        Map<String, List<NamedTensor>> adapters = new TreeMap<>();
        for (Row row : read(Table.ADAPTERS, runId).orderBy("group_key", "name").collectAsList()) {
            String key = row.getAs("group_key") == null ? "" : row.getAs("group_key");
            adapters.computeIfAbsent(key, group -> new ArrayList<>()).add(TensorRows.tensor(row));
        }
        return adapters;
    }

    /** The run's metrics without what differs from time to time. */
    List<String> metrics(String runId) {
        return read(Table.METRICS, runId)
                .selectExpr("concat_ws(' ', group_key, step, epoch, learning_rate, num_tokens, num_target_tokens)")
                .collectAsList()
                .stream()
                .map(row -> row.getString(0))
                .sorted()
                .toList();
    }
}
