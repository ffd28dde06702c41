// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.pipeline.ml.ChatTokenizer;
import io.sparkqlora.pipeline.ml.QLoraEstimator;
import io.sparkqlora.pipeline.ml.QLoraModel;
import io.sparkqlora.train.NamedTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArraySet;
import java.util.stream.Stream;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.tuning.ParamGridBuilder;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Jobs on executors in JVMs of their own, with the settings that are shipped; {@code SparkSubmitIT} has more. */
@Tag("slow")
class ClusterJobsTest {

    private static final int STEPS = 24;

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.of(1, 1, 1);

    @TempDir
    static Path dir;

    private static SparkSession spark;
    private static RunResult undisturbed;

    @BeforeAll
    static void trainUndisturbed() {
        Map<String, String> settings = new LinkedHashMap<>();
        settings.put("spark.plugins", "io.sparkqlora.pipeline.QLoraPlugin");
        settings.put("spark.metrics.conf.executor.sink.csv.class", "org.apache.spark.metrics.sink.CsvSink");
        settings.put("spark.metrics.conf.executor.sink.csv.period", "1");
        settings.put(
                "spark.metrics.conf.executor.sink.csv.directory",
                dir.resolve("metrics").toString());
        dir.resolve("metrics").toFile().mkdirs();
        spark = CLUSTER.session(settings);
        TestJobs.conversations(dir.resolve("data.jsonl"), 40);
        undisturbed = SparkQLora.job(job("calm", STEPS)).train(spark);
    }

    @AfterAll
    static void stop() throws IOException {
        if (spark != null) {
            spark.close();
        }
    }

    /**
     * An executor is killed (SIGKILL) at a random step; Spark starts another one, and nobody can tell. Nor can anybody tell
     * how many chunks there were.
     */
    @Test
    void aRunWhoseExecutorIsKilledEndsAsAnUndisturbedOne() {
        Set<ExecutorProcess> killed = new CopyOnWriteArraySet<>();
        SparkQLora rough = SparkQLora.job(job("rough", STEPS / 2));
        RunResult disturbed;
        String when;
        try (SecondChunk chunk = SecondChunk.of(
                spark.sparkContext(), "rough", () -> CLUSTER.executors().forEach(executor -> {
                    executor.kill();
                    killed.add(executor);
                }))) {
            disturbed = rough.train(spark);
            when = "killed " + chunk;
        }

        assertThat(killed).as(when).hasSize(1);
        assertThat(CLUSTER.executors()).as("executors now").hasSize(1).doesNotContainAnyElementsOf(killed);
        assertThat(tensors(rough, disturbed))
                .as(when)
                .isNotEmpty()
                .isEqualTo(tensors(SparkQLora.job(job("calm", STEPS)), undisturbed));
        assertThat(steps(disturbed)).as(when).hasSize(STEPS).isEqualTo(steps(undisturbed));
    }

    /** The base lies under the driver's working directory, which is not that of an executor. */
    @Test
    void aBaseThatOnlyTheDriverSeesIsRefusedBeforeDataIsRead() {
        JobConfig job = job("blind", STEPS).toBuilder()
                .set("model_name_or_path", "/proc/self/cwd/src/test/resources/models/llama")
                .set("dataset", dir.resolve("no-such-data.jsonl").toString())
                .build();
        assertThatThrownBy(() -> SparkQLora.job(job).train(spark))
                .hasMessageStartingWith("QLORA-P076: model_name_or_path /proc/self/cwd/src/test/resources/models/llama")
                .hasMessageContaining("not by the executors on [127.0.0.1]");
    }

    /** Their work, rows, adapters and failures cross the wire. */
    @Test
    void groupsAreTrainedByExecutors() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            rows.append("{\"key\":" + i % 4 + ",\"set\":{\"" + (i % 4 == 3 ? "r" : "seed") + "\":" + i % 4
                    + "},\"text\":\"some text " + i + "\"}\n");
        }
        JobConfig job = job("groups", 2).toBuilder()
                .set("max_steps", 2)
                .set(
                        "dataset",
                        TestJobs.write(dir.resolve("groups.jsonl"), rows.toString())
                                .toString())
                .set("group_by", "key")
                .set("group_hyperparameters", "set")
                .set("groups_per_device", 2)
                .build();
        RunResult run = SparkQLora.job(job).train(spark);
        assertThat(run.status()).isEqualTo("partial");
        assertThat(run.groups(spark).select("group_key", "status", "error_code").collectAsList())
                .extracting(Object::toString)
                .containsExactly("[0,done,null]", "[1,done,null]", "[2,done,null]", "[3,failed,QLORA-P103]");
        assertThat(SparkQLora.job(job).adapter(spark, run, "2").tensors()).isNotEmpty();
    }

    /** Tokenizers, tokens, adapters and what they answer cross the wire. */
    @Test
    void stagesOfMllibWorkOnExecutors() {
        String base = TestJobs.base().toString();
        ChatTokenizer tokenizer = new ChatTokenizer().setModelNameOrPath(base).setMaxSeqLength(96);
        Dataset<Row> tokens = tokenizer.transform(
                spark.read().json(dir.resolve("data.jsonl").toString()).limit(6));
        QLoraEstimator estimator = new QLoraEstimator()
                .setModelNameOrPath(base)
                .setOutputDir(dir.resolve("out").toString())
                .setMaxSeqLength(96)
                .setBackend("cpu")
                .setBnb4bitComputeDtype("float32")
                .setMaxSteps(2);
        ParamMap[] grid = new ParamGridBuilder()
                .addGrid(estimator.seed(), new long[] {1, 2})
                .build();
        List<QLoraModel> models = estimator.fit(tokens, grid);
        assertThat(models.get(0).adapter()).isNotEqualTo(models.get(1).adapter());
        for (QLoraModel model : models) {
            List<Row> scored = model.setGeneratedCol("answer")
                    .setMaxNewTokens(2)
                    .transform(tokens)
                    .select("loss", "num_target_tokens", "answer")
                    .collectAsList();
            assertThat(scored).hasSize(6).allSatisfy(row -> {
                assertThat(row.getDouble(0)).isPositive();
                assertThat(row.getLong(1)).isPositive();
                assertThat(row.getString(2)).isNotNull();
            });
        }
    }

    @Test
    void executorsHaveTheGaugesOfThePlugin() throws IOException {
        assertThat(gauge("step")).isNotEmpty().allMatch(value -> value <= STEPS);
        assertThat(gauge("tokensPerSecond")).isNotEmpty().allMatch(value -> value >= 0);
        assertThat(gauge("deviceBytes")).isNotEmpty().allMatch(value -> value >= 0);
    }

    private static List<Double> gauge(String name) throws IOException {
        List<Double> values = new ArrayList<>();
        try (Stream<Path> files = Files.list(dir.resolve("metrics"))) {
            String suffix = ".plugin.io.sparkqlora.pipeline.QLoraPlugin." + name + ".csv";
            for (Path file :
                    files.filter(path -> path.toString().endsWith(suffix)).toList()) {
                Files.readString(file)
                        .lines()
                        .skip(1)
                        .forEach(line -> values.add(Double.valueOf(line.substring(line.indexOf(',') + 1))));
            }
        }
        return values;
    }

    private static List<NamedTensor> tensors(SparkQLora job, RunResult run) {
        return job.adapter(spark, run).tensors();
    }

    private static List<String> steps(RunResult run) {
        return new JobTables(spark, run.outputDir())
                        .read(Table.METRICS)
                        .where("run_id = '" + run.runId() + "'")
                        .orderBy("step")
                        .selectExpr("concat_ws(' ', step, loss, grad_norm, num_tokens)")
                        .collectAsList()
                        .stream()
                        .map(row -> row.getString(0))
                        .toList();
    }

    private static JobConfig job(String runId, int saveSteps) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("max_seq_length", 96)
                .set("gradient_accumulation_steps", 8)
                .set("max_steps", STEPS)
                .set("save_steps", saveSteps)
                .build();
    }
}
