// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.observe;

import static org.assertj.core.api.Assertions.assertThat;

import com.codahale.metrics.MetricRegistry;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;
import org.apache.spark.scheduler.SparkListenerStageCompleted;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.CollectionConverters;

/** What somebody sees who looks at the UI or at a cluster's metrics. */
class RunUiTest {

    @TempDir
    Path dir;

    /** Jobs' descriptions by group, and accumulators' last values by name. */
    private static final class Seen extends SparkListener {

        private final Map<String, List<String>> jobs = new ConcurrentHashMap<>();
        private final Map<String, Object> accumulators = new ConcurrentHashMap<>();

        @Override
        public void onJobStart(SparkListenerJobStart job) {
            Properties properties = job.properties();
            jobs.computeIfAbsent(
                            properties.getProperty("spark.jobGroup.id", "none"), group -> new CopyOnWriteArrayList<>())
                    .add(properties.getProperty("spark.job.description", ""));
        }

        @Override
        public void onStageCompleted(SparkListenerStageCompleted stage) {
            CollectionConverters.asJava(stage.stageInfo().accumulables()).values().stream()
                    .filter(info -> info.name().isDefined() && info.value().isDefined())
                    .forEach(info ->
                            accumulators.put(info.name().get(), info.value().get()));
        }
    }

    @Test
    void jobsAndAccumulatorsSayWhichRunTheyAreOf() throws Exception {
        SparkSession spark = TestSpark.session();
        JobConfig config = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .set("run_id", "seen")
                .build();
        Seen seen = new Seen();
        spark.sparkContext().addSparkListener(seen);
        spark.sparkContext().setJobGroup("mine", "my own work", false);
        RunResult run;
        try {
            run = SparkQLora.job(config).train(spark);
            SparkQLora.job(config).evaluate(spark, run);
            assertThat(spark.sparkContext().getLocalProperty("spark.jobGroup.id"))
                    .isEqualTo("mine");
            spark.range(3).count();
            spark.sparkContext().listenerBus().waitUntilEmpty();
        } finally {
            spark.sparkContext().clearJobGroup();
            spark.sparkContext().removeSparkListener(seen);
        }

        assertThat(seen.jobs)
                .containsKeys("spark-qlora tokenize", "spark-qlora run seen chunk 0", "spark-qlora run seen chunk 1");
        assertThat(seen.jobs.get("spark-qlora tokenize"))
                .contains("tokenize " + config.effective().get("dataset"));
        assertThat(seen.jobs.get("spark-qlora run seen chunk 0")).contains("run seen, chunk 0: steps 1 to 3 of 5");
        assertThat(seen.jobs.get("spark-qlora run seen chunk 1")).contains("run seen, chunk 1: steps 4 to 5 of 5");
        assertThat(seen.jobs.get("spark-qlora evaluate seen@5"))
                .contains("evaluate seen@5 on " + config.effective().get("dataset"));
        assertThat(seen.jobs.get("mine")).contains("my own work");

        List<Row> metrics = run.metrics(spark).orderBy("step").collectAsList();
        long tokens =
                metrics.stream().mapToLong(row -> row.<Long>getAs("num_tokens")).sum();
        assertThat(seen.accumulators.get("tokens of seen")).isEqualTo(tokens);
        assertThat(seen.accumulators.get("loss of seen"))
                .isEqualTo(metrics.get(metrics.size() - 1).<Double>getAs("loss"));
    }

    @Test
    void gaugesTellOfTheLastStep() {
        MetricRegistry registry = new MetricRegistry();
        ExecutorNumbers.register(registry);
        ExecutorNumbers.step(new StepMetrics(7, 1.25, 1e-4, 0.5, 600, 300, 1.5), 4096);
        assertThat(values(registry))
                .containsEntry("step", 7L)
                .containsEntry("loss", 1.25)
                .containsEntry("tokensPerSecond", 400.0)
                .containsEntry("deviceBytes", 4096L);
        ExecutorNumbers.clear();
        assertThat(values(registry)).containsEntry("step", 0L).containsEntry("deviceBytes", 0L);
    }

    private static Map<String, Object> values(MetricRegistry registry) {
        Map<String, Object> values = new LinkedHashMap<>();
        registry.getGauges().forEach((name, gauge) -> values.put(name, gauge.getValue()));
        assertThat(new ArrayList<>(values.keySet())).hasSize(4);
        return values;
    }
}
