// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.NamedTensor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A driver in a JVM of its own is killed (SIGKILL) at random moments of its run, inside steps and inside commits; what the
 * last of the commands leaves is what an undisturbed run leaves, bit for bit.
 */
class KillAndResumeTest {

    private static final int STEPS = 8;
    /** {@code -Dqlora.test.kills=10}: so many kills of each run. */
    private static final int KILLS = Integer.getInteger("qlora.test.kills", 1);

    private static final int LONGEST_WAIT_MILLIS = 6_000;

    @TempDir
    Path dir;

    @ParameterizedTest
    @CsvSource({"float32, 1", "bfloat16, 2"})
    void aKilledRunEndsAsAnUndisturbedOne(String computeType, int ranks) throws Exception {
        endsAsAnUndisturbedOne(computeType, ranks);
    }

    /** What scales the loss goes on, too. */
    @Test
    @Tag("slow")
    void inHalvesAsWell() throws Exception {
        endsAsAnUndisturbedOne("float16", 2);
    }

    private void endsAsAnUndisturbedOne(String computeType, int ranks) throws Exception {
        SparkSession spark = TestSpark.session();
        JobConfig calm = job("calm", computeType, ranks);
        RunResult undisturbed = SparkQLora.job(calm).train(spark);

        JobConfig rough = job("rough", computeType, ranks);
        RunTables tables = new RunTables(rough.get(RunKeys.OUTPUT_DIR));
        Random random = new Random();
        List<Long> committed = new ArrayList<>();
        for (int kill = 0; kill < KILLS; kill++) {
            killAfter(rough, random.nextInt(LONGEST_WAIT_MILLIS));
            committed.add(tables.lastStep("rough"));
        }
        RunResult resumed = SparkQLora.job(rough).train(spark);

        assertThat(adapter(spark, rough, resumed))
                .as("killed at " + committed)
                .isEqualTo(adapter(spark, calm, undisturbed));
        assertThat(tables.metrics("rough"))
                .as("killed at " + committed)
                .isEqualTo(tables.metrics("calm"))
                .hasSize(STEPS);
    }

    /** Runs the command in another JVM and kills it some time after its training began. */
    private static void killAfter(JobConfig job, int millis) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(Cli.java(Main.class, "train", job))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        try (BufferedReader err =
                new BufferedReader(new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
            List<String> lines = new ArrayList<>();
            String line = err.readLine();
            while (line != null && !line.startsWith("run ")) {
                lines.add(line);
                line = err.readLine();
            }
            assertThat(line).as(String.join("\n", lines)).isNotNull();
            process.waitFor(millis, TimeUnit.MILLISECONDS);
        } finally {
            process.destroyForcibly().waitFor();
        }
    }

    private JobConfig job(String runId, String computeType, int ranks) {
        Path data = dir.resolve("data.jsonl");
        if (!data.toFile().exists()) {
            // few lengths: each new number of tokens in bfloat16 makes new machine code, which takes longer than its
            // step
            TestJobs.conversations(data, computeType.equals("float32") ? 40 : 9);
        }
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", data.toString())
                .set("run_id", runId)
                .set("bnb_4bit_compute_dtype", computeType)
                .set("packing", false)
                .set("max_seq_length", 48)
                .set("max_steps", STEPS)
                .set("num_processes", ranks)
                .set("save_steps", 3)
                .build();
    }

    private static List<NamedTensor> adapter(SparkSession spark, JobConfig config, RunResult run) {
        List<NamedTensor> tensors = SparkQLora.job(config).adapter(spark, run).tensors();
        assertThat(tensors).isNotEmpty();
        return tensors;
    }
}
