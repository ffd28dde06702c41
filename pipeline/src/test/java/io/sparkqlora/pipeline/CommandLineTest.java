// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.internal.cli.CommandLineApp;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.Checkpoint;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The command line from end to end, in this JVM's session. */
class CommandLineTest {

    @TempDir
    Path dir;

    private Path output;
    private Path job;

    @BeforeAll
    static void session() {
        TestSpark.session();
    }

    @BeforeEach
    void writeJob() {
        output = dir.resolve("out");
        Path data = TestJobs.conversations(dir.resolve("data.jsonl"), 30);
        StringBuilder yaml = new StringBuilder();
        TestJobs.small(output)
                .set("dataset", data.toString())
                .set("max_seq_length", 48)
                .build()
                .effective()
                .forEach((key, value) ->
                        yaml.append(key).append(": ").append(value).append('\n'));
        job = TestJobs.write(dir.resolve("job.yaml"), yaml.toString());
    }

    @Test
    void aJobFromTokensToGenerations() throws IOException {
        Ended tokenized = run("tokenize");
        assertThat(tokenized.code()).as(tokenized.err()).isZero();
        assertThat(tokenized.outcome().get("reused").asBoolean()).isFalse();

        Ended trained = run("train");
        assertThat(trained.code()).as(trained.err()).isZero();
        assertThat(trained.outcome().get("steps").asLong()).isEqualTo(5);
        assertThat(trained.outcome().get("run_status").asText()).isEqualTo("finished");
        assertThat(trained.outcome().get("dataset_id"))
                .isEqualTo(tokenized.outcome().get("dataset_id"));
        assertThat(trained.outcome().get("device").asText()).startsWith("cpu (");
        assertThat(trained.err())
                .contains("training on " + trained.outcome().get("device").asText());
        assertThat(trained.err()).contains("step 5/5  loss ").contains("tok/s");

        Ended again = run("train");
        assertThat(again.code()).isZero();
        assertThat(again.err()).contains("is finished (5 steps); nothing to do");
        assertThat(again.outcome().get("adapter_id"))
                .isEqualTo(trained.outcome().get("adapter_id"));

        Ended evaluated = run("evaluate");
        assertThat(evaluated.code()).as(evaluated.err()).isZero();
        assertThat(evaluated.outcome().get("loss").asDouble())
                .isLessThan(evaluated.outcome().get("base_loss").asDouble());

        Path adapter = dir.resolve("adapter");
        Ended exported = run("export", "--out", adapter.toString());
        assertThat(exported.code()).as(exported.err()).isZero();
        assertThat(AdapterFiles.read(adapter).tensors())
                .hasSize(exported.outcome().get("tensors").asInt());

        Path merged = dir.resolve("merged");
        Ended whole = run("export", "--merge=float32", "--out", merged.toString());
        assertThat(whole.code()).as(whole.err()).isZero();
        assertThat(whole.outcome().get("merged").asBoolean()).isTrue();
        try (Checkpoint checkpoint = Checkpoint.open(merged)) {
            assertThat(checkpoint.weights().info("model.norm.weight").dtype()).isEqualTo(DType.F32);
            assertThat(merged.resolve("tokenizer.json")).exists();
        }
        assertThat(run("export", "--merge", "--out", merged.toString()).err())
                .contains("QLORA-T136")
                .contains("holds config.json");
        assertThat(run("export", "--merge=int8", "--out", merged.toString()).err())
                .contains("--merge is int8; allowed: one of bfloat16, float32");

        Ended generated = run("generate", "--prompt", "say 3", "--max-new-tokens", "5");
        assertThat(generated.code()).as(generated.err()).isZero();
        assertThat(generated.outcome().get("base")).hasSize(1);
        assertThat(generated.outcome().get("adapter")).hasSize(1);

        Path combined = dir.resolve("combined");
        Ended sum = run(
                "combine",
                "--adapters",
                adapter + "," + trained.outcome().get("run_id").asText() + "@3",
                "--weights=0.5,-1",
                "--combination-type",
                "cat",
                "--out",
                combined.toString());
        assertThat(sum.code()).as(sum.err()).isZero();
        assertThat(sum.outcome().get("r").asInt())
                .isEqualTo(AdapterFiles.read(combined).config().r())
                .isEqualTo(8);
        assertThat(run("combine", "--adapters", "nowhere", "--weights", "1", "--out", combined.toString())
                        .err())
                .contains(
                        "QLORA-P163: --adapters: nowhere is no folder with an adapter_config.json, and there is no such run");

        Ended missing = run("export", "--out", adapter.toString(), "--step", "4");
        assertThat(missing.code()).isEqualTo(2);
        assertThat(missing.err())
                .contains("QLORA-P036: no adapter of step 4 of run")
                .contains("its steps are [3, 5]");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2|QLORA-P001|learning_rat=1|unknown key 'learning_rat'; did you mean 'learning_rate'?",
                "2|QLORA-P002|fp16=true|key 'fp16' is not supported",
                "2|QLORA-P003|r=0|r is 0; allowed: a whole number of at least 1",
                "2||target_modules=[no_such_proj]|no_such_proj",
                "3||model_name_or_path=/no/such/base|/no/such/base",
                "3||chat_template={% for m in messages %}|endfor",
                "3||chat_template={{ raise_exception('never') }}|never",
                "3||dataset=/no/such/data.jsonl|/no/such/data.jsonl",
                "5||per_device_train_batch_size=4000000|not enough memory",
                "2|QLORA-P047|per_device_train_batch_size=2147483647|makes micro-batches of"
            })
    void badInputIsOneLineAndWritesNothing(int code, String errorCode, String setting, String message) {
        refused(run("train", "--set", setting), code, message);
        if (errorCode != null) {
            assertThat(run("train", "--set", setting).outcome().get("code").asText())
                    .isEqualTo(errorCode);
        }
    }

    @Test
    void damagedCheckpointsAreRefused() throws IOException {
        Path weights = copyOfBase("truncated").resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        Files.write(weights, java.util.Arrays.copyOf(bytes, bytes.length / 2));
        refused(train(weights.getParent()), 3, "model.safetensors");

        Path missing = copyOfBase("missing");
        Files.delete(missing.resolve("model.safetensors"));
        refused(train(missing), 3, "model.safetensors");

        refused(train(baseWith("wrong-shape", "\"hidden_size\": 64", "\"hidden_size\": 128")), 3, "shape");
        refused(train(baseWith("family", "\"model_type\": \"llama\"", "\"model_type\": \"bloom\"")), 3, "bloom");
        refused(train(copyOfBaseWithLargeVocabulary()), 3, "disagree");
    }

    @Test
    void safetensorsWhoseHeaderCantBeAreRefused() throws IOException {
        Path weights = copyOfBase("header").resolve("model.safetensors");
        Safetensors good = Safetensors.read(weights);
        // 2^40 bytes of header
        Files.write(weights, new byte[] {0, 0, 0, 0, 0, 1, 0, 0}, StandardOpenOption.WRITE);
        refused(train(weights.getParent()), 3, weights + ": the header claims 1099511627776 bytes, the file has ");

        String first = "\"data_offsets\":[0,33152]";
        good.with(first, "\"data_offsets\":[0,33154]").write(weights);
        refused(train(weights.getParent()), 3, weights + ": tensor lm_head.weight: data_offsets span 33154 bytes");
        good.with("\"data_offsets\":[33152,66304]", "\"data_offsets\":[2,33154]")
                .write(weights);
        refused(train(weights.getParent()), 3, weights + ": tensor model.embed_tokens.weight: data_offsets overlap");
        good.with("BF16\",\"shape\":[259,64]," + first, "I16\",\"shape\":[259,64]," + first)
                .write(weights);
        refused(train(weights.getParent()), 3, weights + ": tensor lm_head.weight has dtype I16, supported are");
        good.with("lm_head.weight", "lm_tail.weight").write(weights);
        refused(train(weights.getParent()), 3, "tensor lm_head.weight is missing");
    }

    /** A file of safetensors, its header as text. */
    private record Safetensors(String header, byte[] data) {

        static Safetensors read(Path file) throws IOException {
            ByteBuffer all = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
            byte[] header = new byte[(int) all.getLong()];
            byte[] data = new byte[all.get(header).remaining()];
            all.get(data);
            return new Safetensors(new String(header, StandardCharsets.UTF_8), data);
        }

        Safetensors with(String old, String replacement) {
            assertThat(header).containsOnlyOnce(old);
            return new Safetensors(header.replace(old, replacement), data);
        }

        void write(Path file) throws IOException {
            byte[] bytes = header.getBytes(StandardCharsets.UTF_8);
            Files.write(
                    file,
                    ByteBuffer.allocate(Long.BYTES + bytes.length + data.length)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(bytes.length)
                            .put(bytes)
                            .put(data)
                            .array());
        }
    }

    @Test
    void aDatasetWithoutAUsableRowIsRefused() {
        Path data = TestJobs.write(dir.resolve("bad.jsonl"), "{\"messages\":[]}\n{\"messages\":\"hello\"}\n");
        refused(run("train", "--set", "dataset=" + data), 3, "bad.jsonl");
    }

    @Test
    void planAndBenchNeedNoData() {
        Ended plan = run("plan");
        assertThat(plan.code()).as(plan.err()).isZero();
        assertThat(plan.outcome().get("parts").get("base_weights").asLong()).isPositive();
        assertThat(plan.outcome().get("fits").asBoolean()).isTrue();
        String shape = TestJobs.base().resolve("config.json").toString();
        Ended bench = Cli.run(
                "bench",
                "--shape",
                shape,
                "--seq",
                "16",
                "--batch",
                "2",
                "--steps",
                "1",
                "--adapters",
                "2",
                "--rank",
                "4");
        assertThat(bench.code()).as(bench.err()).isZero();
        assertThat(bench.outcome().get("adapters").asInt()).isEqualTo(2);
        assertThat(bench.outcome().get("num_tokens").asInt()).isEqualTo(32);
        for (String key : List.of("tokens_per_second", "step_ms", "peak_bytes", "loss", "grad_norm")) {
            assertThat(bench.outcome().get(key).asDouble()).as(key).isPositive();
        }
        assertThat(output).doesNotExist();
    }

    @Test
    void aThresholdIsForEightBitsAlone() {
        String shape = TestJobs.base().resolve("config.json").toString();
        List<String> command = List.of(
                "bench", "--shape", shape, "--seq", "16", "--steps", "1", "--rank", "4", "--llm-int8-threshold", "0");
        Ended refused = Cli.run(command.toArray(String[]::new));
        assertThat(refused.code()).isEqualTo(2);
        assertThat(refused.err()).contains("--llm-int8-threshold", "without --quant int8");
        List<String> int8 = new ArrayList<>(command);
        int8.addAll(List.of("--quant", "int8"));
        assertThat(Cli.run(int8.toArray(String[]::new)).code()).isZero();
    }

    @Test
    void benchTakesSeveralRanks() {
        String[] command = {
            "bench",
            "--shape",
            TestJobs.base().resolve("config.json").toString(),
            "--seq",
            "16",
            "--steps",
            "1",
            "--rank",
            "4",
            "--num-processes",
            "2",
            "--shard-base",
            "--max-memory"
        };
        Ended bench = Cli.run(with(command, "1"));
        assertThat(bench.code()).as(bench.err()).isZero();
        assertThat(bench.outcome().get("num_tokens").asInt()).isEqualTo(32);
        long planned = bench.outcome().get("planned_bytes").asLong();
        assertThat(bench.outcome().get("peak_bytes_by_rank")).hasSize(2).allSatisfy(peak -> assertThat(peak.asLong())
                .isBetween(planned / 2, planned));
        Ended tooSmall = Cli.run(with(command, "0.0001"));
        assertThat(tooSmall.code()).isEqualTo(5);
        assertThat(tooSmall.err())
                .contains(
                        "QLORA-T028: not enough memory on cpu (",
                        "training needs " + planned + " bytes, 107374 are free");
        assertThat(Cli.run(with(command, "-1")).err()).contains("max_memory is -1.0, expected at least 0");
        String[] alone = command.clone();
        alone[10] = "1";
        assertThat(Cli.run(with(alone, "1")).err())
                .contains("shard_base is true, expected false where num_processes is 1");
    }

    private static String[] with(String[] command, String last) {
        String[] all = Arrays.copyOf(command, command.length + 1);
        all[command.length] = last;
        return all;
    }

    @Test
    void benchLoadsACheckpointAndSaysHowFast() {
        String base = TestJobs.base().toString();
        Ended bench = Cli.run("bench", "--model", base, "--seq", "16", "--steps", "1", "--rank", "4");
        assertThat(bench.code()).as(bench.err()).isZero();
        assertThat(bench.outcome().get("model").asText()).isEqualTo(base);
        double bytes = bench.outcome().get("load_bytes").asDouble();
        double seconds = bench.outcome().get("load_seconds").asDouble();
        assertThat(bytes).isBetween(1e4, (double)
                TestJobs.base().resolve("model.safetensors").toFile().length());
        assertThat(bench.outcome().get("load_bytes_per_second").asDouble()).isEqualTo(bytes / seconds);
        // a tokenizer that was opened in this JVM before may have loaded some
        assertThat(bench.outcome().get("nvidia_libraries").isArray()).isTrue();
        Ended both = Cli.run("bench", "--model", base, "--shape", "llama3-8b");
        assertThat(both.code()).isEqualTo(2);
        assertThat(both.err()).contains("mutually exclusive");
        assertThat(Cli.run("bench", "--seq", "16").err()).contains("--shape", "--model");
    }

    @Test
    void aWrongOptionIsAUsageError() {
        Ended ended = run("train", "--frsh");
        assertThat(ended.code()).isEqualTo(2);
        assertThat(ended.outcome().get("code").asText()).isEqualTo("QLORA-P029");
        assertThat(ended.err()).contains("--frsh").contains("`qlora train --help` shows the options");
    }

    @Test
    void theHelpNamesEveryKey() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        int code =
                CommandLineApp.run(new PrintStream(out, true, StandardCharsets.UTF_8), System.err, "train", "--help");
        assertThat(code).isZero();
        for (ConfigKey<?> key : ConfigKeys.all()) {
            assertThat(out.toString(StandardCharsets.UTF_8)).contains(key.name());
        }
    }

    private Ended train(Path base) {
        return run("train", "--set", "model_name_or_path=" + base);
    }

    private void refused(Ended ended, int code, String message) {
        ended.refused(code, message);
        assertThat(output).doesNotExist();
    }

    private Path copyOfBaseWithLargeVocabulary() throws IOException {
        Path base = copyOfBase("vocabulary");
        Path tokenizer = base.resolve("tokenizer.json");
        String added =
                "\"added_tokens\": [{\"id\": 900, \"content\": \"<far>\", \"single_word\": false, \"lstrip\": false,"
                        + " \"rstrip\": false, \"normalized\": false, \"special\": true}]";
        String json = Files.readString(tokenizer);
        assertThat(json).containsPattern("\"added_tokens\":\\s*\\[\\s*]");
        Files.writeString(tokenizer, json.replaceFirst("\"added_tokens\":\\s*\\[\\s*]", added));
        return base;
    }

    private Path baseWith(String name, String old, String replacement) throws IOException {
        Path base = copyOfBase(name);
        Path config = base.resolve("config.json");
        String json = Files.readString(config);
        assertThat(json).contains(old);
        Files.writeString(config, json.replace(old, replacement));
        return base;
    }

    private Path copyOfBase(String name) throws IOException {
        return TestJobs.copyOfBase(dir.resolve(name));
    }

    private Ended run(String command, String... options) {
        List<String> arguments = new ArrayList<>(List.of(command, "--config", job.toString()));
        arguments.addAll(List.of(options));
        return Cli.run(arguments.toArray(String[]::new));
    }
}
