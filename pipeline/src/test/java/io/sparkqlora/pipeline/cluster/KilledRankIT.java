// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Two ranks in executors of their own, of which one is killed (SIGKILL) at a random step. */
class KilledRankIT {

    private static final int STEPS = 12;

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.of(2, 1, 0);

    @TempDir
    Path dir;

    @Test
    void theOtherRankSaysSoAndTheRunEndsAsAnUndisturbedOne() throws Exception {
        try (SparkSession spark = CLUSTER.session(Map.of("spark.cores.max", "2"))) {
            List<Row> alone = metrics(spark, SparkQLora.job(job("alone", 1)).train(spark));
            SparkQLora calm = SparkQLora.job(job("calm", 2));
            RunResult undisturbed = calm.train(spark);
            assertThat(CLUSTER.executors()).hasSize(2);
            List<Row> expected = metrics(spark, undisturbed);
            assertThat(expected).hasSize(STEPS);
            for (int step = 0; step < STEPS; step++) {
                double loss = alone.get(step).getDouble(1);
                assertThat(expected.get(step).getDouble(1)).isCloseTo(loss, within(1e-4 * loss));
            }

            Random random = new Random();
            int killAt = 1 + random.nextInt(STEPS / 2);
            List<ExecutorProcess> killed = new ArrayList<>();
            SparkQLora rough = SparkQLora.job(job("rough", 2));
            RunResult disturbed = rough.onStep(step -> {
                        if (killed.isEmpty() && step.step() >= killAt) {
                            killed.add(CLUSTER.executors().get(random.nextInt(2)));
                            killed.get(0).kill();
                        }
                    })
                    .train(spark);

            assertThat(killed).as("executors that were killed").hasSize(1);
            assertThat(tensors(rough, spark, disturbed))
                    .as("killed at step " + killAt)
                    .isNotEmpty()
                    .isEqualTo(tensors(calm, spark, undisturbed));
            assertThat(metrics(spark, disturbed)).as("killed at step " + killAt).isEqualTo(expected);
        }
    }

    private static List<NamedTensor> tensors(SparkQLora job, SparkSession spark, RunResult run) {
        return job.adapter(spark, run).tensors();
    }

    private static List<Row> metrics(SparkSession spark, RunResult run) {
        return new JobTables(spark, run.outputDir())
                .read(Table.METRICS)
                .where("run_id = '" + run.runId() + "'")
                .orderBy("step")
                .select("step", "loss", "grad_norm", "num_tokens", "chunk")
                .collectAsList();
    }

    private JobConfig job(String runId, int ranks) {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 40).toString())
                .set("run_id", runId)
                .set("max_seq_length", 96)
                .set("num_processes", ranks)
                .set("gradient_accumulation_steps", 8 / ranks)
                .set("max_steps", STEPS)
                .set("save_steps", STEPS / 2)
                .build();
    }
}
