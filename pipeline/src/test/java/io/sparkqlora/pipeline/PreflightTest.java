// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Devices;
import io.sparkqlora.pipeline.Cli.Ended;
import io.sparkqlora.pipeline.internal.run.FailingDevices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What evaluate, generate, export and plan find wrong before they do anything: one line, an exit code, nothing written. */
class PreflightTest {

    @TempDir
    static Path dir;

    private static Path output;
    private static JobConfig job;

    @BeforeAll
    static void trainOnce() {
        TestSpark.session();
        output = dir.resolve("out");
        job = TestJobs.small(output)
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 10).toString())
                .set(
                        "eval_dataset",
                        TestJobs.conversations(dir.resolve("other.jsonl"), 7).toString())
                .set("run_id", "once")
                .set("max_steps", 1)
                .build();
        Cli.run("train", job).done();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "3|model_name_or_path=/no/such/base|QLORA-T|/no/such/base",
                "3|eval_dataset=/no/such/data.jsonl|QLORA-D|/no/such/data.jsonl",
                "2|run_id=nobody|QLORA-P040|its runs are [once]",
                "2|output_dir=/no/such/output|QLORA-P040|check output_dir",
                "2|chat_template=/no/such.jinja|QLORA-P042|/no/such.jinja",
                "5|per_device_train_batch_size=4000000|QLORA-T028|not enough memory on cpu",
                "2|per_device_train_batch_size=2147483647|QLORA-P047|lower per_device_train_batch_size or max_seq_length"
            })
    void evaluateRefuses(int code, String setting, String errorCode, String message) {
        unchanged(() -> Cli.run("evaluate", job, setting)).refused(code, errorCode, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "3|model_name_or_path=/no/such/base|QLORA-T|/no/such/base",
                "2|run_id=nobody|QLORA-P040|its runs are [once]",
                "2|output_dir=/no/such/output|QLORA-P040|check output_dir"
            })
    void generateRefuses(int code, String setting, String errorCode, String message) {
        unchanged(() -> Cli.run("generate", job, setting, "--prompt", "say 1")).refused(code, errorCode, message);
    }

    @Test
    void generateRefusesAnswersLongerThanTheModelCounts() {
        unchanged(() -> Cli.run("generate", job, "--prompt", "say 1", "--max-new-tokens", "1000000"))
                .refused(2, "max_position_embeddings");
    }

    @ParameterizedTest
    @ValueSource(strings = {"evaluate", "generate"})
    void anotherBaseOrTokenizerThanTheRunsIsRefused(String command) throws IOException {
        Path base = TestJobs.copyOfBase(dir.resolve("base-" + command));
        Path config = base.resolve("config.json");
        Files.writeString(
                config, Files.readString(config).replace("\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": 1e-04"));
        with(command, base).refused(3, "QLORA-P045: run once was trained on another base than " + base);

        Path other = TestJobs.copyOfBase(dir.resolve("tokenizer-" + command));
        Path tokenizer = other.resolve("tokenizer_config.json");
        Files.writeString(tokenizer, Files.readString(tokenizer) + "\n");
        with(command, other)
                .refused(3, "QLORA-P046: run once was trained with another tokenizer than that in " + other);

        Files.delete(other.resolve("tokenizer.json"));
        with(command, other).refused(3, "QLORA-D001", "tokenizer.json");
        Files.delete(base.resolve("model.safetensors"));
        with(command, base).refused(3, "model.safetensors");
    }

    @ParameterizedTest
    @ValueSource(strings = {"evaluate", "generate", "train"})
    void tooLittleMemoryIsRefusedBeforeAnythingIsLoaded(String command) {
        try (var devices = FailingDevices.withMemory(100_000)) {
            assertThat(devices).isNotNull();
            unchanged(() -> command.equals("generate")
                            ? Cli.run(command, job, "--prompt", "say 1")
                            : Cli.run(command, job, "run_id=" + (command.equals("train") ? "more" : "once")))
                    .refused(
                            5,
                            "not enough memory on ",
                            "100000 are free",
                            command.equals("generate") ? "base and adapter" : "use a smaller model");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "run_id=nobody|--step|1|QLORA-P040|its runs are [once]",
                "run_id=once|--step|7|QLORA-P036|its steps are [1]",
                "output_dir=/no/such/output|--step|1|QLORA-P040|check output_dir"
            })
    void exportRefuses(String setting, String option, String value, String errorCode, String message) {
        Path out = dir.resolve("exported");
        unchanged(() -> Cli.run("export", job, setting, option, value, "--out", out.toString()))
                .refused(2, errorCode, message);
        assertThat(out).doesNotExist();
    }

    @Test
    void exportRefusesAFolderThatIsAFile() {
        Path file = TestJobs.write(dir.resolve("file"), "mine");
        unchanged(() -> Cli.run("export", job, "--out", file.toString())).refused(2, file.toString());
        assertThat(file).hasContent("mine");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "3|model_name_or_path=/no/such/base|config.json",
                "2|target_modules=[no_such_proj]|no_such_proj",
                "2|per_device_train_batch_size=2147483647|QLORA-P047"
            })
    void planRefuses(int code, String setting, String message) {
        unchanged(() -> Cli.run("plan", job, setting)).refused(code, message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"train", "evaluate", "generate"})
    void aJobThatNeedsMoreThanMaxMemoryIsRefused(String command) {
        String[] more = command.equals("generate")
                ? new String[] {"max_memory=200KB", "--prompt", "say 1"}
                : new String[] {"max_memory=200KB", command.equals("train") ? "run_id=held" : "run_id=once"};
        unchanged(() -> Cli.run(command, job, more)).refused(5, ", max_memory 200KB: ", " 200000 ");
    }

    /** It changes no bits, so a run may be gone on with under another one. */
    @Test
    void whatFitsIntoMaxMemoryIsTrained() {
        long need = Cli.run("plan", job).done().outcome().get("total_bytes").asLong();
        Ended plan = Cli.run("plan", job, "max_memory=" + need).done();
        assertThat(plan.outcome().get("available_bytes").asLong()).isEqualTo(need);
        assertThat(plan.outcome().get("fits").asBoolean()).isTrue();
        String elsewhere = "output_dir=" + dir.resolve("held");
        Ended run = Cli.run("train", job, elsewhere, "max_memory=" + need).done();
        assertThat(run.outcome().get("device").asText()).endsWith(", max_memory " + need);
        assertThat(Cli.run("train", job, elsewhere).done().err()).contains("run once is finished (1 steps)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"train", "plan"})
    void aBaseThatCantBeShardedIsRefused(String command) {
        unchanged(() -> Cli.run(command, job, "run_id=more", "shard_base=true"))
                .refused(2, "shard_base", "false where num_processes is 1");
        unchanged(() -> Cli.run(
                        command, job, "run_id=more", "shard_base=true", "num_processes=2", "load_in_4bit=false"))
                .refused(2, "QLORA-T113: shard_base is true and load_in_4bit is false");
    }

    @Test
    void thePlanOfAShardedBaseIsThatOfARank() {
        Ended whole = Cli.run("plan", job, "num_processes=2").done();
        Ended sharded =
                Cli.run("plan", job, "num_processes=2", "shard_base=true").done();
        assertThat(whole.err()).contains("; each of 2 ranks keeps the whole base and takes:");
        assertThat(sharded.err()).contains("; each of 2 ranks keeps 1/2 of the layers and takes:");
        long all = part(whole, "base_weights");
        assertThat(part(sharded, "base_weights")).isBetween(all / 2, all * 2 / 3);
        assertThat(part(sharded, "gathered_layers")).isBetween(all * 2 / 3, all);
        assertThat(part(whole, "gathered_layers")).isZero();
        assertThat(Cli.run("plan", job).done().err()).doesNotContain("ranks");
    }

    private static long part(Ended plan, String name) {
        return plan.outcome().get("parts").get(name).asLong();
    }

    @ParameterizedTest
    @ValueSource(strings = {"train", "evaluate", "generate", "plan"})
    void aGpuThatIsNotThereIsRefused(String command) {
        org.junit.jupiter.api.Assumptions.assumeFalse(gpu(), "SKIPPED: this machine has a GPU");
        String[] more = command.equals("generate")
                ? new String[] {"backend=cuda", "--prompt", "say 1"}
                : new String[] {"backend=cuda", command.equals("train") ? "run_id=gpu" : "run_id=once"};
        unchanged(() -> Cli.run(command, job, more)).refused(5, "QLORA-K0", "set backend to cpu");
    }

    private static boolean gpu() {
        try {
            Devices.open("cuda").close();
            return true;
        } catch (io.sparkqlora.kernels.QLoraException e) {
            return false;
        }
    }

    private Ended with(String command, Path base) {
        String setting = "model_name_or_path=" + base;
        return unchanged(() -> command.equals("generate")
                ? Cli.run(command, job, setting, "--prompt", "say 1")
                : Cli.run(command, job, setting));
    }

    private static Ended unchanged(java.util.function.Supplier<Ended> command) {
        Set<String> before = Cli.files(output);
        Ended ended = command.get();
        assertThat(Cli.files(output)).isEqualTo(before);
        return ended;
    }
}
