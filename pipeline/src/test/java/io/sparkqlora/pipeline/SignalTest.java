// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A signal ends a training in a process of its own: the outcome says so, and the last commit stands. */
class SignalTest {

    @TempDir
    Path dir;

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143"})
    void theOutcomeSaysThatItWasInterrupted(String signal, int code) throws Exception {
        JobConfig job = job();
        File out = dir.resolve("stdout").toFile();
        Process process = new ProcessBuilder(Cli.java(Main.class, "train", job))
                .redirectOutput(out)
                .redirectError(dir.resolve("stderr").toFile())
                .start();
        try {
            awaitCommit(process);
            new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid()))
                    .start()
                    .waitFor();
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly().waitFor();
        }
        assertThat(process.exitValue()).isEqualTo(code);
        RunRecord run = run(job);
        JsonNode outcome = Cli.lastLine(Files.readString(out.toPath()));
        assertThat(outcome.get("status").asText()).isEqualTo("interrupted");
        assertThat(outcome.get("code").asText()).isEqualTo("QLORA-P031");
        assertThat(outcome.get("message").asText())
                .isEqualTo("QLORA-P031: interrupted; run stopped is committed up to step " + run.lastStep()
                        + ", the same command goes on from there");
        assertThat(Files.readString(dir.resolve("stderr")))
                .doesNotContain("Exception")
                .endsWith("qlora: " + outcome.get("message").asText() + "\n");
        assertThat(run.status()).isEqualTo(RunRecord.INTERRUPTED);
        assertThat(run.lastStep()).isPositive();
        RunResult kept = RunResult.of(run, job.get(ConfigKeys.OUTPUT_DIR));
        assertThat(SparkQLora.job(job).adapter(TestSpark.session(), kept).tensors())
                .isNotEmpty();
    }

    /** A third step means that the first two are committed. */
    private void awaitCommit(Process process) throws IOException, InterruptedException {
        Path err = dir.resolve("stderr");
        while (Files.readString(err).lines().noneMatch(SignalTest::isThirdStepOrLater)) {
            boolean over = process.waitFor(100, TimeUnit.MILLISECONDS);
            assertThat(over).as(Files.readString(err)).isFalse();
        }
    }

    private static boolean isThirdStepOrLater(String line) {
        return line.startsWith("step ") && Integer.parseInt(line.substring(5, line.indexOf('/'))) > 2;
    }

    private static RunRecord run(JobConfig job) {
        return RunRecord.find(new JobTables(TestSpark.session(), job.get(ConfigKeys.OUTPUT_DIR)), "stopped")
                .orElseThrow();
    }

    private JobConfig job() {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 40).toString())
                .set("run_id", "stopped")
                .set("max_steps", 1_000_000)
                .set("save_steps", 2)
                .build();
    }
}
