// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** How many Spark tasks a run takes: 4 steps in 2 chunks, on a cluster whose settings are Spark's and Delta's own. */
@Tag("slow")
class CommitTasksTest {

    private static final Map<String, String> THEIR_OWN = Map.of(
            "spark.sql.codegen.wholeStage", "true",
            "spark.sql.codegen.factoryMode", "FALLBACK",
            "spark.sql.adaptive.enabled", "true",
            "spark.sql.shuffle.partitions", "200",
            "spark.databricks.delta.snapshotPartitions", "50",
            "spark.databricks.delta.allFilesInCrc.enabled", "true");

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.of(1, 2, 0);

    @TempDir
    static Path dir;

    /** What a run took. */
    private record Cost(int jobs, int tasks, double seconds, List<NamedTensor> adapter) {

        @Override
        public String toString() {
            return jobs + " jobs, " + tasks + " tasks, " + seconds + " s";
        }
    }

    @Test
    void defaultsForTablesOfFewFilesSpareMostTasks() throws Exception {
        TestJobs.conversations(dir.resolve("data.jsonl"), 40);
        Cost before = cost("theirs", Map.of());
        Cost after = cost("ours", DeltaSettings.OF_FEW_FILES);
        System.out.println("Spark's and Delta's own settings: " + before + "; with ours: " + after);
        assertThat(after.tasks()).as(after + " and " + before).isLessThan(before.tasks() / 4);
        assertThat(after.adapter()).isNotEmpty().isEqualTo(before.adapter());
    }

    /** Of a run, tokenising included. */
    private static Cost cost(String name, Map<String, String> more) throws Exception {
        Map<String, String> settings = new LinkedHashMap<>(THEIR_OWN);
        settings.putAll(more);
        try (SparkSession spark = CLUSTER.session(settings)) {
            AtomicInteger jobs = new AtomicInteger();
            AtomicInteger tasks = new AtomicInteger();
            spark.sparkContext().addSparkListener(new SparkListener() {
                @Override
                public void onJobStart(SparkListenerJobStart event) {
                    jobs.incrementAndGet();
                }

                @Override
                public void onTaskEnd(SparkListenerTaskEnd event) {
                    tasks.incrementAndGet();
                }
            });
            long start = System.nanoTime();
            SparkQLora job = SparkQLora.job(job(name));
            RunResult run = job.train(spark);
            double seconds = (System.nanoTime() - start) / 1e9;
            spark.sparkContext().listenerBus().waitUntilEmpty(TimeUnit.MINUTES.toMillis(1));
            return new Cost(
                    jobs.get(), tasks.get(), seconds, job.adapter(spark, run).tensors());
        } finally {
            ResidentSessions.closeAll();
        }
    }

    private static JobConfig job(String name) {
        return TestJobs.small(dir.resolve(name))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", "counted")
                .set("max_seq_length", 96)
                .set("max_steps", 4)
                .set("save_steps", 2)
                .build();
    }
}
