// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunTables;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore.Fault;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.StepMetrics;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.MapOutputTrackerMaster;
import org.apache.spark.SparkContext;
import org.apache.spark.TaskContext;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerStageSubmitted;
import org.apache.spark.scheduler.StageInfo;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import scala.jdk.javaapi.CollectionConverters;

/** A chunk of three steps, and one of two that is trained while the first is committed; what happens is told by who waits for whom. */
class CommitBesideTest {

    private static final RunDevice DEVICE = RunDevices.here("cpu");

    @TempDir
    static Path dir;

    private static JobTables tables;
    private static TokenData data;
    private static BaseModel base;
    private static RunRecord undisturbed;

    private final List<String> events = new CopyOnWriteArrayList<>();
    private final CountDownLatch fourthStep = new CountDownLatch(1);

    @BeforeAll
    static void trainUndisturbed() {
        tables = new JobTables(TestSpark.session(), dir.toString());
        data = TestShards.write(tables, 10);
        base = BaseModel.open(TestJobs.base());
        undisturbed = new RunDriver(tables, job("undisturbed"), RunObserver.NONE).train(base, data, DEVICE);
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    /** The first state is written when the second chunk has made a step: if that one waited, nothing would go on. */
    @Test
    void theNextChunkIsTrainedWhileTheLastIsCommitted() {
        RunRecord run;
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(Fault.BEFORE, this::waitsForTheFourthStep)) {
            run = driver("overlapped", m -> fourthStep.countDown()).train(base, data, DEVICE);
            assertThat(faults.commits()).isEmpty();
        }
        assertThat(run.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(events).containsSubsequence("step 3", "step 4", "committed 3", "committed 5");
        assertSameAsUndisturbed(run);
    }

    /** What the second chunk made is forgotten with the first, and the same command makes it again. */
    @Test
    void aCommitThatFailsTakesTheChunkBesideItAlong() {
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(Fault.BEFORE, this::failsAtTheFourthStep)) {
            assertThatThrownBy(() -> driver("refused", m -> {
                                fourthStep.countDown();
                                untilCancelled();
                            })
                            .train(base, data, DEVICE))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("the store did not answer (tried 4 times)");
            assertThat(faults.commits()).hasSize(4);
        }
        assertThat(events).containsExactly("step 1", "step 2", "step 3", "step 4", "cancelled");
        RunRecord failed = RunRecord.find(tables, "refused").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.lastStep()).isZero();

        assertSameAsUndisturbed(driver("refused", m -> {}).train(base, data, DEVICE));
    }

    /** What ends the second chunk is told when the first is in the tables. */
    @Test
    void aChunkThatFailsWaitsForTheCommitBesideIt() {
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(Fault.BEFORE, this::waitsForTheFourthStep)) {
            assertThatThrownBy(() -> driver("failing", m -> {
                                fourthStep.countDown();
                                throw new IllegalStateException("pulled the plug");
                            })
                            .train(base, data, DEVICE))
                    .hasStackTraceContaining("pulled the plug");
            assertThat(faults.commits()).isEmpty();
        }
        RunRecord failed = RunRecord.find(tables, "failing").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.lastStep()).isEqualTo(3);
        assertSameAsUndisturbed(driver("failing", m -> {}).train(base, data, DEVICE));
    }

    /** Its session is lost with the first try; the second one finds none, and the chunk begins from the table. */
    @Test
    void aChunkWhoseSessionIsGoneBeginsFromTheCommit() {
        AtomicBoolean fell = new AtomicBoolean();
        RunRecord run = driver("no-session", m -> {
                    if (fell.compareAndSet(false, true)) {
                        throw new IllegalStateException("fell");
                    }
                })
                .train(base, data, DEVICE);
        assertThat(events)
                .containsSubsequence("step 3", "step 4", "step 4", "step 5", "committed 5")
                .containsSubsequence("committed 3", "step 4", "step 5")
                .hasSize(8);
        assertSameAsUndisturbed(run);
    }

    /** Before the second chunk's tensors are written, Spark loses them; no session could make them again. */
    @Test
    void rowsThatAreLostBeforeTheyAreWrittenAreMadeAgain() {
        ChunkShuffles shuffles = new ChunkShuffles();
        SparkContext spark = tables.spark().sparkContext();
        spark.addSparkListener(shuffles);
        AtomicInteger metrics = new AtomicInteger();
        RunRecord run;
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(Fault.BEFORE, commit -> {
            if (commit.toString().contains("/metrics/") && metrics.incrementAndGet() == 2) {
                shuffles.lose(spark);
            }
            return false;
        })) {
            run = driver("no-rows", m -> {}).train(base, data, DEVICE);
            assertThat(faults.commits()).isEmpty();
        } finally {
            spark.removeSparkListener(shuffles);
        }
        assertThat(events)
                .containsSubsequence("step 4", "step 5", "step 4", "step 5", "committed 5")
                .containsSubsequence("committed 3", "step 4", "step 5", "committed 5")
                .hasSize(9);
        assertSameAsUndisturbed(run);
    }

    /** Where the rows of trained chunks lie. */
    private static final class ChunkShuffles extends SparkListener {

        private final List<Integer> shuffles = new CopyOnWriteArrayList<>();

        @Override
        public void onStageSubmitted(SparkListenerStageSubmitted event) {
            StageInfo stage = event.stageInfo();
            boolean trains =
                    CollectionConverters.asJava(stage.rddInfos()).stream().anyMatch(rdd -> rdd.isBarrier());
            if (trains && stage.shuffleDepId().isDefined()) {
                shuffles.add((Integer) stage.shuffleDepId().get());
            }
        }

        void lose(SparkContext spark) {
            MapOutputTrackerMaster outputs =
                    (MapOutputTrackerMaster) spark.env().mapOutputTracker();
            // Spark forgets the first chunk's by itself once nothing refers to them
            List<Integer> kept = shuffles.stream()
                    .filter(shuffle -> outputs.containsShuffle(shuffle))
                    .toList();
            assertThat(kept).isNotEmpty();
            kept.forEach(outputs::unregisterAllMapAndMergeOutput);
        }
    }

    private static boolean state(org.apache.hadoop.fs.Path commit) {
        return commit.toString().contains("/training_state/");
    }

    /** Makes a commit of the state wait; gives false, for one that is to go well. */
    private boolean waitsForTheFourthStep(org.apache.hadoop.fs.Path commit) {
        try {
            if (state(commit) && !fourthStep.await(1, TimeUnit.MINUTES)) {
                events.add("waited in vain");
            }
            return false;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private boolean failsAtTheFourthStep(org.apache.hadoop.fs.Path commit) {
        waitsForTheFourthStep(commit);
        return state(commit);
    }

    /** In the task's thread. */
    private void untilCancelled() {
        long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(1);
        while (!TaskContext.get().isInterrupted() && System.nanoTime() < end) {
            Thread.onSpinWait();
        }
        events.add(TaskContext.get().isInterrupted() ? "cancelled" : "not cancelled");
    }

    private RunDriver driver(String runId, StepListener atTheFourthStep) {
        return new RunDriver(tables, job(runId), new RunObserver() {
            @Override
            public void onStep(StepMetrics m) {
                events.add("step " + m.step());
                if (m.step() == 4) {
                    atTheFourthStep.onStep(m);
                }
            }

            @Override
            public void onCommit(long step) {
                events.add("committed " + step);
            }
        });
    }

    private static JobConfig job(String runId) {
        return TestJobs.small(dir).set("run_id", runId).build();
    }

    private static void assertSameAsUndisturbed(RunRecord run) {
        AdapterStore adapters = new AdapterStore(tables);
        assertThat(run.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(adapters.read(run, 5).tensors())
                .isEqualTo(adapters.read(undisturbed, 5).tensors());
        RunTables written = new RunTables(dir.toString());
        assertThat(written.metrics(run.inputs().runId())).hasSize(5).isEqualTo(written.metrics("undisturbed"));
    }
}
