// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.pipeline.ml.ChatTokenizer;
import io.sparkqlora.pipeline.ml.PerplexityEvaluator;
import io.sparkqlora.pipeline.ml.QLoraModel;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An adapter in a folder, without a run: the commands and the model give what they give of the run that it is from. */
class AdapterInFolderTest {

    /** Saved by peft 0.21: over {@link TestJobs#base}, and over one of other shapes. */
    private static final Path PEFT =
            Path.of("../train-udf/src/test/resources").toAbsolutePath().normalize();

    private static final Path OF_THIS_BASE = PEFT.resolve("models/llama/adapter_final");
    private static final Path OF_ANOTHER = PEFT.resolve("parity/llama-odd/adapter_final");
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    Path dir;

    private SparkSession spark;
    private Path data;

    @BeforeEach
    void prepare() {
        spark = TestSpark.session();
        data = TestJobs.conversations(dir.resolve("data.jsonl"), 6);
    }

    private JobConfigBuilder job(String output) {
        return TestJobs.small(dir.resolve(output))
                .set("dataset", data.toString())
                .set("max_steps", 2);
    }

    /** What a command says beside where the adapter is from. */
    private static JsonNode numbers(Ended ended) {
        return ((ObjectNode) ended.done().outcome())
                .remove(List.of("adapter_id", "run_id", "step", "dataset_id", "path", "table"));
    }

    @Test
    void itIsWorkedOnAsTheRunThatItWasExportedFrom() throws IOException {
        JobConfig run = job("run").build();
        Cli.run("train", run).done();
        Path folder = dir.resolve("adapter");
        Cli.run("export", run, "--out", folder.toString()).done();
        String[] inFolder = {"--adapter", folder.toString()};

        // what this job says of adapters is about what it would train
        JobConfig other = job("other")
                .set("r", 16)
                .set("target_modules", List.of("q_proj"))
                .build();
        Ended evaluated = Cli.run("evaluate", other, with(inFolder, "--predict-with-generate"));
        assertThat(numbers(evaluated)).isEqualTo(numbers(Cli.run("evaluate", run, "--predict-with-generate")));
        JobTables tables = new JobTables(spark, other.get(RunKeys.OUTPUT_DIR));
        Row recorded = tables.read(Table.EVALUATIONS).first();
        assertThat(recorded.<String>getAs("run_id")).isNull();
        assertThat(recorded.<Long>getAs("step")).isNull();
        assertThat(recorded.<String>getAs("adapter_id")).isEqualTo(folder.toString());
        assertThat(tables.read(Table.PREDICTIONS).count()).isEqualTo(6);
        assertThat(tables.read(Table.RUNS).count()).isZero();

        String[] prompt = {"--prompt", "say 1", "--max-new-tokens", "5"};
        JsonNode answers = numbers(Cli.run("generate", run, prompt));
        assertThat(numbers(Cli.run("generate", other, with(inFolder, prompt)))).isEqualTo(answers);
        answersOfItsOwnBase(with(inFolder, prompt), answers);
        chatted(run, other, inFolder);
        merged(run, other, inFolder);
        applied(folder, evaluated);
    }

    private static String[] with(String[] some, String... more) {
        List<String> all = new ArrayList<>(List.of(some));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    /** Without a job the base is the one that the adapter names, as to peft. */
    private static void answersOfItsOwnBase(String[] arguments, JsonNode answers) {
        List<String> line = new ArrayList<>(List.of("generate", "--set", "bnb_4bit_compute_dtype=float32"));
        line.addAll(List.of("--set", "backend=" + System.getProperty("qlora.test.backend", "cpu")));
        line.addAll(List.of(arguments));
        Ended ended = Cli.run(line.toArray(String[]::new));
        assertThat(numbers(ended)).isEqualTo(answers);
        assertThat(ended.err()).contains("base " + TestJobs.base() + " (the adapter's base_model_name_or_path)");
    }

    private static void chatted(JobConfig run, JobConfig other, String[] inFolder) {
        InputStream before = System.in;
        try {
            System.setIn(new ByteArrayInputStream("say 1\n/exit\n".getBytes(UTF_8)));
            JsonNode turns = numbers(Cli.run("chat", run, "--max-new-tokens", "2"));
            System.setIn(new ByteArrayInputStream("say 1\n/exit\n".getBytes(UTF_8)));
            Ended ended = Cli.run("chat", other, with(inFolder, "--max-new-tokens", "2"));
            assertThat(numbers(ended)).isEqualTo(turns);
            assertThat(ended.err()).contains("talking to " + inFolder[1] + ";");
        } finally {
            System.setIn(before);
        }
    }

    private void merged(JobConfig run, JobConfig other, String[] inFolder) throws IOException {
        for (String[] how : List.of(new String[] {"--merge"}, new String[] {"--merge", "--quantize"})) {
            Path one = dir.resolve("merged-" + how.length);
            Path two = dir.resolve("merged-from-folder-" + how.length);
            JsonNode said = numbers(Cli.run("export", run, with(how, "--out", one.toString())));
            assertThat(numbers(Cli.run("export", other, with(with(inFolder, how), "--out", two.toString()))))
                    .isEqualTo(said);
            assertThat(two.resolve(WEIGHTS)).hasSameBinaryContentAs(one.resolve(WEIGHTS));
        }
    }

    private void applied(Path folder, Ended evaluated) throws IOException {
        QLoraModel model = QLoraModel.fromAdapter(folder.toString());
        assertThat(model.runId()).isNull();
        assertThat(model.adapterId()).isEqualTo(folder.toString());
        model.set(model.bnb4bitComputeDtype(), "float32")
                .set(model.backend(), System.getProperty("qlora.test.backend", "cpu"))
                .set(model.maxSeqLength(), 32);
        Dataset<Row> tokens = new ChatTokenizer()
                .setModelNameOrPath(TestJobs.base().toString())
                .setMaxSeqLength(32)
                .transform(spark.read().json(data.toString()));
        PerplexityEvaluator perplexity = new PerplexityEvaluator();
        double measured = perplexity.evaluate(model.transform(tokens));
        assertThat(measured).isCloseTo(evaluated.outcome().get("perplexity").asDouble(), within(1e-4));
        model.write().save(dir.resolve("model").toString());
        QLoraModel read = QLoraModel.load(dir.resolve("model").toString());
        assertThat(read.adapter()).isEqualTo(model.adapter());
        assertThat(perplexity.evaluate(read.transform(tokens))).isEqualTo(measured);
        assertThatThrownBy(() -> model.copy(ParamMap.empty())
                        .setModelNameOrPath("none/such")
                        .transform(tokens))
                .hasMessageContaining("none/such");

        JobConfig config = job("library").set("r", 2).build();
        Evaluation evaluation = SparkQLora.job(config).evaluate(spark, folder);
        assertThat(evaluation.loss()).isEqualTo(evaluated.outcome().get("loss").asDouble());
    }

    @Test
    void whatPeftWroteIsMeasuredAndWhatDoesNotFitIsRefused() {
        JobConfig job = job("peft").set("load_in_4bit", false).build();
        Ended tuned = Cli.run("evaluate", job, "--adapter", OF_THIS_BASE.toString());
        double loss = tuned.done().outcome().get("loss").asDouble();
        assertThat(loss).isNotEqualTo(tuned.outcome().get("base_loss").asDouble());
        assertThat(tuned.text("adapter_id")).isEqualTo(OF_THIS_BASE.toString());
        Path rewritten = dir.resolve("rewritten");
        AdapterFiles.write(AdapterFiles.read(OF_THIS_BASE), rewritten);
        Ended again = Cli.run("evaluate", job, "--adapter", "file://" + rewritten);
        assertThat(again.done().outcome().get("loss").asDouble()).isEqualTo(loss);

        String folder = rewritten.toString();
        Cli.run("generate", job, "--prompt", "a", "--adapter", OF_ANOTHER.toString())
                .refused(3, "QLORA-T055: the adapter does not fit this run: ");
        Cli.run("chat", job, "--adapter", dir.resolve("none").toString())
                .refused(3, "QLORA-T001: " + dir.resolve("none/adapter_config.json") + " does not exist");
        Cli.run("evaluate", job, "--adapter", "s3a://bucket/adapter")
                .refused(
                        2, "QLORA-P215: --adapter is s3a://bucket/adapter, and adapters are read from folders of this");
        Cli.run("train", job, "adapter_name_or_path=hf://some/adapter")
                .refused(2, "QLORA-P215: adapter_name_or_path is hf://some/adapter");
        Cli.run("evaluate", job, "--adapter", folder, "--step", "3")
                .refused(2, "QLORA-P216: --adapter names the adapter in " + folder + ", and --step 3 one of a run");
        Cli.run("export", job, "--adapter", folder, "--out", dir.resolve("x").toString())
                .refused(2, "QLORA-P217: --adapter: " + folder + " is an adapter as PEFT saves it already");
        Cli.run("evaluate", "--adapter", folder, "--set", "dataset=" + data)
                .refused(2, "QLORA-P004: key 'output_dir' is missing");
        Cli.run("generate", "--adapter", nameless().toString(), "--prompt", "a")
                .refused(2, "QLORA-P218: key 'model_name_or_path' is missing, and the adapter in ");
        assertThat(dir.resolve("x")).doesNotExist();
    }

    /** What a command doesn't read need not be set. */
    @Test
    void foldersAreCombinedWithoutAJobAndPlansAreMadeOfABaseAlone() {
        Path twice = dir.resolve("twice");
        Ended combined = Cli.run(
                "combine",
                "--adapters",
                OF_THIS_BASE + "," + OF_THIS_BASE,
                "--weights",
                "1,1",
                "--combination-type",
                "cat",
                "--out",
                twice.toString());
        assertThat(combined.done().outcome().get("r").asInt())
                .isEqualTo(2 * AdapterFiles.readConfig(OF_THIS_BASE).r());
        Cli.run("combine", "--adapters", OF_THIS_BASE + ",run", "--weights", "1,1", "--out", twice.toString())
                .refused(2, "QLORA-P004: key 'model_name_or_path' is missing");
        Ended plan = Cli.run("plan", "--set", "model_name_or_path=" + TestJobs.base())
                .done();
        assertThat(plan.outcome().get("total_bytes").asLong()).isPositive();
    }

    private Path nameless() {
        Path folder = dir.resolve("nameless");
        AdapterFiles.write(
                new Adapter(
                        AdapterFiles.readConfig(OF_THIS_BASE),
                        null,
                        AdapterFiles.read(OF_THIS_BASE).tensors()),
                folder);
        return folder;
    }
}
