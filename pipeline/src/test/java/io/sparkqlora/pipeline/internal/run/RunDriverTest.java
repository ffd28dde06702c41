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
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Adapter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

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
    void trainsInChunksAndGoesOnBitForBitAfterAFailureAnywhere() {
        JobConfig config = job();
        List<Long> steps = new ArrayList<>();
        RunRecord undisturbed = driver(config, m -> steps.add(m.step())).train(base, data, DEVICE);
        assertThat(undisturbed.status()).isEqualTo(RunRecord.FINISHED);
        assertThat(undisturbed.lastStep()).isEqualTo(5);
        assertThat(steps).containsExactly(1L, 2L, 3L, 4L, 5L);

        JobConfig disturbed = config.toBuilder().set("run_id", "disturbed").build();
        for (int failing : new int[] {4}) {
            assertThatThrownBy(() -> driver(disturbed, m -> {
                                if (m.step() == failing) {
                                    throw new IllegalStateException("pulled the plug");
                                }
                            })
                            .train(base, data, DEVICE))
                    .hasStackTraceContaining("pulled the plug");
        }
        RunRecord resumed = driver(disturbed, m -> {}).train(base, data, DEVICE);
        assertThat(resumed.status()).isEqualTo(RunRecord.FINISHED);
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
                        "cpu"))
                .save(tables);
        JobConfig other = config.toBuilder().set("r", 8).build();
        assertThatThrownBy(() -> driver(other, m -> {}).train(base, data, DEVICE))
                .hasMessageContaining("QLORA-P038: run undisturbed was started with r = 4, this job has 8");
        BaseModel changed = new BaseModel(base.folder(), base.config(), "other");
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
