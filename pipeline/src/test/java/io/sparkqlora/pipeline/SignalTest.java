// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A signal ends a command in a process of its own: the outcome says so, the last commit stands, and nothing is half-written.
 * Two commands start side by side, since a start is most of what they take.
 */
@Tag("slow")
class SignalTest {

    /** More than a second's work. */
    private static final int MANY_ROWS = 60_000;

    @TempDir
    Path dir;

    @Test
    void theOutcomeSaysThatItWasInterrupted() throws Exception {
        Path many = TestJobs.conversations(dir.resolve("many.jsonl"), MANY_ROWS);
        JobConfig train = job("out").set("run_id", "stopped").build();
        JobConfig tokenize = job("other").set("dataset", many.toString()).build();
        try (Command training = start("train", train);
                Command tokenizing = start("tokenize", tokenize)) {
            tokenizing.signalAt("TERM", line -> line.startsWith("tokenising "));
            training.signalAt("INT", SignalTest::isFifthStepOrLater);
            tokenizing.interrupted(143, "interrupted; run the same command again");
            assertThat(Cli.files(dir.resolve("other"))).isEmpty();
            training.interrupted(130, committed(train));
        }
        long first = stopped(train).lastStep();
        JobConfig evaluate =
                train.toBuilder().set("eval_dataset", many.toString()).build();
        try (Command training = start("train", train);
                Command evaluating = start("evaluate", evaluate)) {
            evaluating.signalAt("INT", line -> line.startsWith("tokenising "));
            training.signalAt("TERM", line -> line.startsWith("step ") && step(line) > first + 4);
            evaluating.interrupted(130, "interrupted; run the same command again");
            training.interrupted(143, committed(train));
        }
        JobTables tables = tables(train);
        assertThat(tables.exists(Table.EVALUATIONS)).isFalse();
        assertThat(tables.read(Table.TOKEN_SHARDS)
                        .select("dataset_id")
                        .distinct()
                        .count())
                .isEqualTo(1);
        assertThat(stopped(train).lastStep()).isGreaterThan(first);
        RunResult kept = RunResult.of(stopped(train), tables, train.get(RunKeys.OUTPUT_DIR));
        assertThat(SparkQLora.job(train).adapter(TestSpark.session(), kept).tensors())
                .isNotEmpty();
    }

    /** A command in another JVM. */
    private record Command(Process process, Path out, Path err) implements AutoCloseable {

        /** Sends a signal when a line of stderr says that it is time. */
        void signalAt(String signal, Predicate<String> time) throws IOException, InterruptedException {
            while (Files.readString(err).lines().noneMatch(time)) {
                boolean over = process.waitFor(50, TimeUnit.MILLISECONDS);
                assertThat(over).as(Files.readString(err)).isFalse();
            }
            new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid()))
                    .start()
                    .waitFor();
        }

        void interrupted(int code, String message) throws IOException, InterruptedException {
            interrupted(code, () -> message);
        }

        /** It ended with this code, one line and one outcome; what the message is, is known then. */
        void interrupted(int code, Supplier<String> message) throws IOException, InterruptedException {
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).isEqualTo(code);
            JsonNode outcome = Cli.lastLine(Files.readString(out));
            assertThat(outcome.get("status").asText()).isEqualTo("interrupted");
            assertThat(outcome.get("code").asText()).isEqualTo("QLORA-P031");
            assertThat(outcome.get("message").asText()).isEqualTo("QLORA-P031: " + message.get());
            assertThat(Files.readString(out)).hasLineCount(1);
            assertThat(Files.readString(err))
                    .doesNotContain("Exception")
                    .contains("\nqlora: " + outcome.get("message").asText() + "\n")
                    .containsOnlyOnce("qlora: ");
        }

        @Override
        public void close() throws InterruptedException {
            process.destroyForcibly().waitFor();
        }
    }

    private Command start(String command, JobConfig job) throws IOException {
        Path out = Files.createTempFile(dir, command, ".out");
        Path err = Files.createTempFile(dir, command, ".err");
        Process process = new ProcessBuilder(Cli.java(Main.class, command, job))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile())
                .start();
        return new Command(process, out, err);
    }

    /** A fifth step means that the first two are committed: the next two may have been trained beside their commit. */
    private static boolean isFifthStepOrLater(String line) {
        return line.startsWith("step ") && step(line) > 4;
    }

    private static long step(String line) {
        return Long.parseLong(line.substring(5, line.indexOf('/')));
    }

    private static Supplier<String> committed(JobConfig job) {
        return () -> "interrupted; run stopped is committed up to step "
                + stopped(job).lastStep() + ", the same command goes on from there";
    }

    private static RunRecord stopped(JobConfig job) {
        RunRecord run = RunRecord.find(tables(job), "stopped").orElseThrow();
        assertThat(run.status()).isEqualTo(RunRecord.INTERRUPTED);
        assertThat(run.lastStep()).isPositive();
        return run;
    }

    private static JobTables tables(JobConfig job) {
        return new JobTables(TestSpark.session(), job.get(RunKeys.OUTPUT_DIR));
    }

    private JobConfigBuilder job(String output) {
        return TestJobs.small(dir.resolve(output))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 40).toString())
                .set("max_steps", 1_000_000)
                .set("save_steps", 2);
    }
}
