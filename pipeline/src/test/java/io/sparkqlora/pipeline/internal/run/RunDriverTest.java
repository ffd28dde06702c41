// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunTables;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore.Fault;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Adapter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RunDriverTest {

    private static final RunDevice DEVICE = RunDevices.here("cpu");

    @TempDir
    Path dir;

    private JobTables tables;
    private TokenData data;
    private BaseModel base;

    @BeforeEach
    void prepare() {
        tables = new JobTables(TestSpark.session(), dir.toString());
        data = TestShards.write(tables, 10);
        base = BaseModel.open(TestJobs.base());
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    @Test
    void trainsInChunksAndGoesOnBitForBitAfterAFailure() {
        JobConfig config = job();
        List<Long> steps = new ArrayList<>();
        RunRecord undisturbed = driver(config, m -> steps.add(m.step())).train(base, data, DEVICE);
        assertThat(undisturbed.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(undisturbed.lastStep()).isEqualTo(5);
        assertThat(steps).containsExactly(1L, 2L, 3L, 4L, 5L);

        JobConfig disturbed = config.toBuilder().set("run_id", "disturbed").build();
        assertThatThrownBy(() -> driver(disturbed, m -> {
                            if (m.step() == 4) {
                                throw new IllegalStateException("pulled the plug");
                            }
                        })
                        .train(base, data, DEVICE))
                .hasStackTraceContaining("pulled the plug");
        RunRecord resumed = driver(disturbed, m -> {}).train(base, data, DEVICE);
        assertThat(resumed.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(adapter(resumed).tensors()).isEqualTo(adapter(undisturbed).tensors());
        assertThat(metrics(resumed)).isEqualTo(metrics(undisturbed));
    }

    /** Of each table every second commit fails, before or after the store took it. */
    @ParameterizedTest
    @EnumSource
    void aCommitThatFailsOnceIsMadeAgain(Fault fault) {
        RunRecord undisturbed = driver(job(), m -> {}).train(base, data, DEVICE);
        JobConfig disturbed = job().toBuilder().set("run_id", "disturbed").build();
        Set<org.apache.hadoop.fs.Path> failed = new HashSet<>();
        RunRecord finished;
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(
                fault, commit -> failed.remove(commit.getParent()) ? false : failed.add(commit.getParent()))) {
            finished = driver(disturbed, m -> {}).train(base, data, DEVICE);
            assertThat(faults.commits())
                    .extracting(commit -> commit.getParent().getParent().getName())
                    .contains("runs", "metrics", "adapters", "training_state");
        }
        assertThat(adapter(finished).tensors()).isEqualTo(adapter(undisturbed).tensors());
        assertThat(metrics(finished)).isEqualTo(metrics(undisturbed));
    }

    @Test
    void aStoreThatTakesNoStateEndsARunWithWhatIsCommitted() {
        RunRecord undisturbed = driver(job(), m -> {}).train(base, data, DEVICE);
        JobConfig disturbed = job().toBuilder().set("run_id", "disturbed").build();
        AtomicInteger states = new AtomicInteger();
        try (FaultyLogStore.Faults faults = FaultyLogStore.failing(
                Fault.BEFORE,
                commit -> commit.toString().contains("/training_state/") && states.incrementAndGet() > 1)) {
            assertThatThrownBy(() -> driver(disturbed, m -> {}).train(base, data, DEVICE))
                    .hasMessageStartingWith("QLORA-P035: output_dir " + dir
                            + " can't be written: the store did not answer (tried 4 times)");
            assertThat(faults.commits()).hasSize(4);
        }
        RunRecord failed = RunRecord.find(tables, "disturbed").orElseThrow();
        assertThat(failed.status()).isEqualTo(RunRecord.FAILED);
        assertThat(failed.lastStep()).isEqualTo(3);
        RunRecord resumed = driver(disturbed, m -> {}).train(base, data, DEVICE);
        assertThat(adapter(resumed).tensors()).isEqualTo(adapter(undisturbed).tensors());
        assertThat(metrics(resumed)).isEqualTo(metrics(undisturbed));
    }

    @Test
    void aRunThatDivergesKeepsItsLastGoodState() {
        JobConfig config = job().toBuilder()
                .set("run_id", "diverging")
                .set("learning_rate", 1e38)
                .set("max_grad_norm", 0)
                .build();
        assertThatThrownBy(() -> driver(config, m -> {}).train(base, data, DEVICE))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(QLoraException.Kind.DIVERGED));
        RunRecord recorded = RunRecord.find(tables, "diverging").orElseThrow();
        assertThat(recorded.status()).isEqualTo(RunRecord.DIVERGED);
        assertThat(recorded.lastStep()).isBetween(1L, 4L);
        assertThat(new AdapterStore(tables).step("diverging", null)).isEqualTo(recorded.lastStep());
        assertThatThrownBy(() -> driver(config, m -> {}).train(base, data, DEVICE))
                .hasMessageContaining("QLORA-P039: run diverging has diverged, its last good state is that of step "
                        + recorded.lastStep());
    }

    @Test
    void aRecordedRunIsNotGoneOnWithAsAnotherJob() {
        JobConfig config = job();
        RunRecord.started(new RunInputs(
                        "undisturbed",
                        "b",
                        base.fingerprint(),
                        "h1",
                        "d",
                        "v1",
                        data.datasetId(),
                        ConfigJson.write(config),
                        "{}",
                        5,
                        "cpu",
                        null,
                        null))
                .save(tables);
        JobConfig other = config.toBuilder().set("r", 8).build();
        assertThatThrownBy(() -> driver(other, m -> {}).train(base, data, DEVICE))
                .hasMessageContaining("QLORA-P038: run undisturbed was started with r = 4, this job has 8");
        BaseModel changed = new BaseModel(base.name(), base.folder(), base.config(), "other");
        assertThatThrownBy(() -> driver(config, m -> {}).train(changed, data, DEVICE))
                .hasMessageContaining("QLORA-P038: run undisturbed was started with the base checkpoint (fingerprint)");
    }

    private RunDriver driver(JobConfig config, StepListener listener) {
        return new RunDriver(tables, config, listener::onStep);
    }

    private JobConfig job() {
        return TestJobs.small(dir)
                .set("run_id", "undisturbed")
                .set("logging_steps", 2)
                .build();
    }

    private Adapter adapter(RunRecord run) {
        return new AdapterStore(tables).read(run, run.lastStep());
    }

    private List<List<Object>> metrics(RunRecord run) {
        return new RunTables(dir.toString()).metrics(run.inputs().runId());
    }
}
