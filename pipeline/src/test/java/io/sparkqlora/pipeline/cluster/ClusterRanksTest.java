// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.run.AdapterStore;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.NamedTensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Ranks in executors of their own, each in a JVM and on a worker of its own, and what becomes of a run that loses them. */
@Tag("slow")
class ClusterRanksTest {

    private static final int STEPS = 12;
    private static final int RANKS = 4;
    /** So many runs of which each loses an executor at a random moment; another number: {@code -Dqlora.test.kills}. */
    private static final int KILLS = Integer.getInteger("qlora.test.kills", 10);

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.of(RANKS, 1, 0);

    @TempDir
    static Path dir;

    private static SparkSession spark;
    private static List<Row> metricsOfFour;
    private static List<NamedTensor> adapterOfFour;

    @BeforeAll
    static void trainUndisturbed() {
        spark = CLUSTER.session(Map.of("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s"));
        TestJobs.conversations(dir.resolve("data.jsonl"), 40);
        train("four", RANKS);
        metricsOfFour = metrics("four");
        adapterOfFour = adapter("four");
        assertThat(metricsOfFour).hasSize(STEPS);
        assertThat(CLUSTER.executors()).hasSize(RANKS);
    }

    @AfterAll
    static void stop() throws IOException {
        if (spark != null) {
            spark.close();
        }
    }

    @Test
    void anyNumberOfRanksGivesTheSameLosses() {
        for (int ranks : List.of(1, 2)) {
            train("of" + ranks, ranks);
            List<Row> got = metrics("of" + ranks);
            for (int step = 0; step < STEPS; step++) {
                double loss = metricsOfFour.get(step).getDouble(1);
                assertThat(got.get(step).getDouble(1)).isCloseTo(loss, within(1e-4 * loss));
            }
        }
    }

    @Test
    void aRunThatLosesAnExecutorEndsAsAnUndisturbedOne() {
        for (int kill = 0; kill < KILLS; kill++) {
            String run = "rough" + kill;
            int victim = new Random().nextInt(RANKS);
            String when;
            try (SecondChunk chunk = SecondChunk.of(spark.sparkContext(), run, () -> CLUSTER.executors()
                    .get(victim)
                    .kill())) {
                train(run, RANKS);
                when = "executor " + victim + " killed " + chunk;
            }
            assertThat(metrics(run)).as(when).isEqualTo(metricsOfFour);
            assertThat(adapter(run)).as(when).isNotEmpty().isEqualTo(adapterOfFour);
        }
    }

    /** The executor that Spark starts in its place loads the part that nobody has. */
    @Test
    void aRunOverABaseInPartsThatLosesAnExecutorEndsAsOneOverAWholeBase() {
        try (SecondChunk chunk = SecondChunk.of(
                spark.sparkContext(), "parts", () -> CLUSTER.executors().get(1).kill())) {
            JobConfig parts =
                    job("parts", RANKS).toBuilder().set("shard_base", true).build();
            SparkQLora.job(parts).train(spark);
            assertThat(metrics("parts")).as("killed " + chunk).isEqualTo(metricsOfFour);
        }
        assertThat(adapter("parts")).isNotEmpty().isEqualTo(adapterOfFour);
    }

    /** Spark would wait for a fourth slot without an end. */
    @Test
    void aRunWhoseWorkerIsGoneForGoodSaysSoAndGoesOnWhenThereIsAnother() throws Exception {
        waitingAtMost("8s");
        try (SecondChunk chunk = SecondChunk.beginning(spark.sparkContext(), "lost", () -> CLUSTER.killWorker(1))) {
            assertThatThrownBy(() -> train("lost", RANKS))
                    .as("killed " + chunk)
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(QLoraException.Kind.RANK_LOST))
                    .hasMessageStartingWith("QLORA-P078: an executor was lost (")
                    .hasMessageContaining("after 8 s the others have room for 3 of the 4 ranks");
        }
        assertThatThrownBy(() -> train("lost", RANKS))
                .hasMessageStartingWith("QLORA-P071: num_processes is 4, but the executors")
                .hasMessageContaining("have room for 3 tasks at once");

        waitingAtMost("120s");
        CLUSTER.restartWorker(1);
        train("lost", RANKS);
        assertThat(metrics("lost")).isEqualTo(metricsOfFour);
        assertThat(adapter("lost")).isNotEmpty().isEqualTo(adapterOfFour);
    }

    /** For executors, which a busy machine starts slowly. */
    private static void waitingAtMost(String time) {
        spark.sparkContext().conf().set("spark.scheduler.maxRegisteredResourcesWaitingTime", time);
    }

    private static void train(String runId, int ranks) {
        SparkQLora.job(job(runId, ranks)).train(spark);
    }

    private static List<NamedTensor> adapter(String runId) {
        RunRecord run = RunRecord.find(tables(), runId).orElseThrow();
        assertThat(run.lastStep()).isEqualTo(STEPS);
        return new AdapterStore(tables()).read(run, STEPS).tensors();
    }

    private static List<Row> metrics(String runId) {
        return tables().read(Table.METRICS)
                .where("run_id = '" + runId + "'")
                .orderBy("step")
                .select("step", "loss", "grad_norm", "num_tokens", "chunk")
                .collectAsList();
    }

    private static JobTables tables() {
        return new JobTables(spark, dir.resolve("out").toString());
    }

    private static JobConfig job(String runId, int ranks) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("max_seq_length", 96)
                .set("num_processes", ranks)
                .set("gradient_accumulation_steps", RANKS / ranks)
                .set("max_steps", STEPS)
                .set("save_steps", STEPS / 2)
                .build();
    }
}
