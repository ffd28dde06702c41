// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunResult;
import io.sparkqlora.pipeline.SparkQLora;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.run.FakeGpus;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore.Fault;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Two executors of three cores and a GPU each, and tasks that ask for no GPU: those that train do. The GPUs are CPUs that tell which
 * task opened them.
 */
@Tag("slow")
class GpuTasksTest {

    private static final int CORES = 3;
    private static final int GPUS = 2;
    private static final int STEPS = 4;
    private static final String WAIT = "spark.scheduler.maxRegisteredResourcesWaitingTime";
    /** For executors, which a busy machine starts slowly. */
    private static final String PLENTY = "120s";

    @RegisterExtension
    static final StandaloneCluster CLUSTER = StandaloneCluster.ofWholeWorkers(GPUS, CORES, 1);

    @TempDir
    static Path dir;

    private static SparkSession spark;

    /** Which stages ask for GPUs. */
    private static final Set<Integer> ASKING = ConcurrentHashMap.newKeySet();

    private static final Set<Integer> BARRIERS = ConcurrentHashMap.newKeySet();

    @BeforeAll
    static void start() throws IOException {
        Files.createDirectory(dir.resolve("gpus"));
        spark = CLUSTER.session(Map.of(
                "spark.plugins",
                "io.sparkqlora.pipeline.QLoraPlugin," + FakeGpus.class.getName(),
                FakeGpus.FOLDER,
                dir.resolve("gpus").toString(),
                "spark.delta.logStore.file.impl",
                FaultyLogStore.class.getName(),
                WAIT,
                PLENTY));
        spark.sparkContext().addSparkListener(new SparkListener() {
            @Override
            public void onStageSubmitted(SparkListenerStageSubmitted event) {
                int stage = event.stageInfo().stageId();
                if (event.stageInfo().resourceProfileId() != ResourceProfile.DEFAULT_RESOURCE_PROFILE_ID()) {
                    ASKING.add(stage);
                }
                if (CollectionConverters.asJava(event.stageInfo().rddInfos()).stream()
                        .anyMatch(rdd -> rdd.isBarrier())) {
                    BARRIERS.add(stage);
                }
            }
        });
        TestJobs.conversations(dir.resolve("data.jsonl"), 40);
    }

    @AfterAll
    static void stop() throws IOException {
        if (spark != null) {
            spark.close();
        }
    }

    /**
     * All GPUs train, and there are slots for the commit of the first chunk beside the second: that one's ranks have begun before the
     * first one's state is written.
     */
    @Test
    void ranksHaveAGpuEachAndACommitGoesOnBesideThem() throws InterruptedException {
        CountDownLatch second = new CountDownLatch(1);
        AtomicBoolean waitedInVain = new AtomicBoolean();
        try (SecondChunk chunk = SecondChunk.beginning(spark.sparkContext(), "ranks", second::countDown);
                FaultyLogStore.Faults faults = FaultyLogStore.failing(Fault.BEFORE, commit -> {
                    if (commit.toString().contains("/training_state/")) {
                        waitedInVain.compareAndSet(false, !await(second));
                    }
                    return false;
                })) {
            SparkQLora.job(job("ranks").set("num_processes", GPUS).build()).train(spark);
            assertThat(faults.commits()).as(chunk.toString()).isEmpty();
        }
        assertThat(waitedInVain).isFalse();
        assertThat(BARRIERS).isNotEmpty();
        assertThat(ASKING).containsAll(BARRIERS);
        int stage = BARRIERS.stream().mapToInt(each -> each).min().getAsInt();
        assertThat(gpusOf(stage)).containsExactlyInAnyOrder("cuda:0", "cuda:1");
    }

    private static boolean await(CountDownLatch latch) {
        try {
            return latch.await(2, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<String> gpusOf(int stage) {
        return FakeGpus.opened(dir.resolve("gpus")).stream()
                .filter(opened -> opened.stage() == stage)
                .map(FakeGpus.Opened::name)
                .toList();
    }

    @Test
    void groupsAreTrainedOnAsManyTasksAsThereAreGpus() {
        StringBuilder rows = new StringBuilder();
        for (int i = 0; i < 12; i++) {
            rows.append("{\"key\":" + i % 4 + ",\"text\":\"some text " + i + "\"}\n");
        }
        JobConfig job = job("groups")
                .set("max_steps", 2)
                .set("save_steps", 10)
                .set(
                        "dataset",
                        TestJobs.write(dir.resolve("groups.jsonl"), rows.toString())
                                .toString())
                .set("group_by", "key")
                .build();
        RunResult run = SparkQLora.job(job).train(spark);
        assertThat(run.status()).isEqualTo("finished");
        // the last one that asks; there is one wave
        int stage = ASKING.stream().mapToInt(each -> each).max().getAsInt();
        assertThat(gpusOf(stage)).containsExactlyInAnyOrder("cuda:0", "cuda:1");
    }

    /** Each waits for all others. */
    @Test
    void aDataStageRunsAsManyTasksAtOnceAsThereAreCores() throws IOException {
        String folder = Files.createDirectory(dir.resolve("tasks")).toString();
        List<Integer> numbers = IntStream.range(0, GPUS * CORES).boxed().toList();
        List<Integer> met = new JavaSparkContext(spark.sparkContext())
                .parallelize(numbers, numbers.size())
                .map(number -> meet(folder, number))
                .collect();
        assertThat(met).hasSize(GPUS * CORES).containsOnly(GPUS * CORES);
    }

    private static int meet(String folder, int number) throws IOException, InterruptedException {
        Files.createFile(Path.of(folder, String.valueOf(number)));
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        int here = 0;
        while (here < GPUS * CORES && System.nanoTime() < end) {
            Thread.sleep(20);
            here = new java.io.File(folder).list().length;
        }
        return here;
    }

    @Test
    void moreRanksThanGpusAreRefused() {
        waitingAtMost("1s");
        JobConfig three = job("three").set("num_processes", GPUS + 1).build();
        assertThatThrownBy(() -> SparkQLora.job(three).train(spark))
                .hasMessageStartingWith(
                        "QLORA-P085: 3 tasks train at once, each on a GPU of its own, but the executors of")
                .hasMessageContaining("have room for 2 (waited 1 s for more)")
                .hasMessageContaining("spark.executor.resource.gpu.amount=1");
        waitingAtMost(PLENTY);
    }

    private static void waitingAtMost(String time) {
        spark.sparkContext().conf().set(WAIT, time);
    }

    private static JobConfigBuilder job(String runId) {
        return TestJobs.small(dir.resolve("out"))
                .set("dataset", dir.resolve("data.jsonl").toString())
                .set("run_id", runId)
                .set("backend", "cuda")
                .set("max_seq_length", 96)
                .set("max_steps", STEPS)
                .set("save_steps", STEPS / 2);
    }
}
