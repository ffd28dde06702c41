// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.NamedTensor;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that trains modules whole, through the tables and across a kill. */
class SavedModulesRunTest {

    private static final RunDevice DEVICE = RunDevices.here(System.getProperty("qlora.test.backend", "cpu"));

    @TempDir
    Path dir;

    private final BaseModel base = BaseModel.open(TestJobs.base());

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private JobTables tables() {
        return new JobTables(TestSpark.session(), dir.resolve("out").toString());
    }

    private Adapter train(JobConfig job, TokenData data, RunObserver observer) {
        RunRecord run =
                new RunDriver(tables(), FirstAdapter.settle(job, base.config()), observer).train(base, data, DEVICE);
        return new AdapterStore(tables()).read(run, run.lastStep());
    }

    @Test
    void aKilledRunGoesOnBitForBitAndAnotherStartsFromItsFiles() {
        TokenData data = TestShards.write(tables(), 10);
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set("modules_to_save", List.of("embed_tokens", "lm_head", "norm"))
                .set("optim", "paged_adamw_8bit")
                .set("run_id", "undisturbed")
                .build();
        Adapter undisturbed = train(job, data, RunObserver.NONE);
        JobConfig disturbed = job.toBuilder().set("run_id", "disturbed").build();
        assertThatThrownBy(() -> train(disturbed, data, m -> {
                    if (m.step() == 4) {
                        throw new IllegalStateException("pulled the plug");
                    }
                }))
                .hasStackTraceContaining("pulled the plug");
        assertThat(train(disturbed, data, RunObserver.NONE).tensors()).isEqualTo(undisturbed.tensors());
        assertThat(undisturbed.config().modulesToSave()).containsExactly("embed_tokens", "lm_head", "norm");
        assertThat(undisturbed.tensors())
                .extracting(NamedTensor::name)
                .contains(
                        "base_model.model.lm_head.weight",
                        "base_model.model.model.embed_tokens.weight",
                        "base_model.model.model.norm.weight");

        Path folder = dir.resolve("adapter");
        AdapterFiles.write(undisturbed, folder);
        JobConfig still = TestJobs.small(dir.resolve("out"))
                .set("r", null)
                .set("adapter_name_or_path", folder.toString())
                .set("run_id", "still")
                .set("learning_rate", 1e-30)
                .set("max_steps", 1)
                .build();
        assertThat(train(still, data, RunObserver.NONE).tensors()).isEqualTo(undisturbed.tensors());
    }
}
