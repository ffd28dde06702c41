// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** An executor in a JVM of its own is killed (SIGKILL) at a random step; Spark starts another one, and nobody can tell. */
class KilledExecutorIT {

    private static final int STEPS = 24;

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.of(1, 1, 1);

    @TempDir
    Path dir;

    @Test
    void aRunWhoseExecutorIsKilledEndsAsAnUndisturbedOne() throws Exception {
        try (SparkSession spark = CLUSTER.session(Map.of("spark.cores.max", "1"))) {
            SparkQLora calm = SparkQLora.job(job("calm"));
            RunResult undisturbed = calm.train(spark);

            int killAt = 1 + new Random().nextInt(STEPS / 2);
            List<ExecutorProcess> killed = new ArrayList<>();
            SparkQLora rough = SparkQLora.job(job("rough"));
            RunResult disturbed = rough.onStep(step -> {
                        if (killed.isEmpty() && step.step() >= killAt) {
                            CLUSTER.executors().forEach(executor -> {
                                executor.kill();
                                killed.add(executor);
                            });
                        }
                    })
                    .train(spark);

            assertThat(killed).as("executors that were killed").hasSize(1);
            assertThat(CLUSTER.executors()).as("executors now").hasSize(1).doesNotContainAnyElementsOf(killed);
            assertThat(tensors(rough, spark, disturbed))
                    .as("killed at step " + killAt)
                    .isNotEmpty()
                    .isEqualTo(tensors(calm, spark, undisturbed));
            assertThat(steps(spark, disturbed))
                    .as("killed at step " + killAt)
                    .hasSize(STEPS)
                    .isEqualTo(steps(spark, undisturbed));
        }
    }

    private static List<NamedTensor> tensors(SparkQLora job, SparkSession spark, RunResult run) {
        return job.adapter(spark, run).tensors();
    }

    private static List<String> steps(SparkSession spark, RunResult run) {
        return new JobTables(spark, run.outputDir())
                        .read(Table.METRICS)
                        .where("run_id = '" + run.runId() + "'")
                        .orderBy("step")
                        .selectExpr("concat_ws(' ', step, loss, grad_norm, num_tokens, chunk)")
                        .collectAsList()
                        .stream()
                        .map(row -> row.getString(0))
                        .toList();
    }

    private JobConfig job(String runId) {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 40).toString())
                .set("run_id", runId)
                .set("max_seq_length", 96)
                .set("gradient_accumulation_steps", 8)
                .set("max_steps", STEPS)
                .set("save_steps", STEPS / 2)
                .build();
    }
}
