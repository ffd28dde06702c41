// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.TargetModules;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Runs that go on from an adapter in a folder. */
class FirstAdapterTest {

    private static final RunDevice DEVICE = RunDevices.here("cpu");

    @TempDir
    Path dir;

    private Path folder;
    private BaseModel base;

    @BeforeEach
    void prepare() {
        folder = dir.resolve("adapter");
        base = BaseModel.open(TestJobs.base());
    }

    @AfterEach
    void closeSessions() {
        ResidentSessions.closeAll();
    }

    private JobTables tables() {
        return new JobTables(TestSpark.session(), dir.resolve("out").toString());
    }

    private RunRecord train(JobConfig job, TokenData data, RunObserver observer) {
        return new RunDriver(tables(), FirstAdapter.settle(job, base.config()), observer).train(base, data, DEVICE);
    }

    private Adapter adapter(RunRecord run) {
        return new AdapterStore(tables()).read(run, run.lastStep());
    }

    /** A job whose adapter is of two modules and rank 4. */
    private JobConfig first() {
        return TestJobs.small(dir.resolve("out"))
                .set("target_modules", List.of("q_proj", "down_proj"))
                .set("lora_alpha", 12)
                .set("use_rslora", true)
                .set("run_id", "first")
                .build();
    }

    private static JobConfigBuilder open(JobConfig job, Path folder) {
        JobConfigBuilder open = job.toBuilder();
        List.of("r", "lora_alpha", "target_modules", "use_rslora", "lora_dropout")
                .forEach(key -> open.set(key, null));
        return open.set("adapter_name_or_path", folder.toString());
    }

    @Test
    @Tag("slow")
    void aRunStartsFromItsWeightsAndOptionsAndGoesOnBitForBit() {
        TokenData data = TestShards.write(tables(), 10);
        AdapterFiles.write(SteppedAdapters.of(EngineSettings.lora(first()), base.config()), folder);
        Adapter start = AdapterFiles.read(folder);

        JobConfig still = open(first(), folder)
                .set("run_id", "still")
                .set("learning_rate", 1e-30)
                .build();
        RunRecord moved = train(still, data, RunObserver.NONE);
        assertThat(adapter(moved).tensors()).isEqualTo(start.tensors());
        assertThat(adapter(moved).config()).isEqualTo(start.config());
        assertThat(moved.inputs().adapterHash()).isEqualTo(AdapterFiles.sha256(folder));

        JobConfig job = open(first(), folder).set("run_id", null).build();
        RunRecord undisturbed = train(job, data, RunObserver.NONE);
        assertThat(adapter(undisturbed).tensors()).isNotEqualTo(start.tensors());
        JobConfig disturbed = job.toBuilder().set("run_id", "disturbed").build();
        assertThatThrownBy(() -> train(disturbed, data, m -> {
                    if (m.step() == 4) {
                        throw new IllegalStateException("pulled the plug");
                    }
                }))
                .hasStackTraceContaining("pulled the plug");
        assertThat(adapter(train(disturbed, data, RunObserver.NONE)).tensors())
                .isEqualTo(adapter(undisturbed).tensors());

        // the same command with other weights in that folder is another run, and no going on with a named one
        AdapterFiles.write(adapter(undisturbed), folder);
        JobConfig settled = FirstAdapter.settle(job, base.config());
        assertThat(RunIds.of(settled, base, data, null, tables()))
                .startsWith("run-")
                .isNotEqualTo(undisturbed.inputs().runId());
        assertThatThrownBy(() -> train(disturbed, data, RunObserver.NONE))
                .hasMessageContaining(
                        "QLORA-P038: run disturbed was started with the adapter that it started from (hash)");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "r | 8 | QLORA-P160: the job has r = 8, the adapter in %s (adapter_name_or_path) was made with 4; remove r",
                "lora_alpha | 8 | QLORA-P160: the job has lora_alpha = 8.0, the adapter in %s (adapter_name_or_path) was made with 12.0",
                "use_rslora | false | QLORA-P160: the job has use_rslora = false",
                "init_lora_weights | gaussian | QLORA-P160: the job has init_lora_weights = gaussian",
                "use_dora | true | QLORA-P160: the job has use_dora = true",
                "bias | all | QLORA-P160: the job has bias = all",
                "target_modules | all-linear | QLORA-P161: the job's target_modules and their exceptions mean model.layers.0.mlp.gate_proj, for which the adapter in %s (adapter_name_or_path) has nothing",
                "target_modules | [q_proj] | QLORA-P161: the job's target_modules and their exceptions leave out model.layers.0.mlp.down_proj, for which"
            })
    void keysThatSaySomethingElseAreRefused(String key, String value, String message) {
        AdapterFiles.write(SteppedAdapters.of(EngineSettings.lora(first()), base.config()), folder);
        JobConfig job =
                open(first(), folder).addOptions(List.of(key + "=" + value)).build();
        assertThatThrownBy(() -> FirstAdapter.settle(job, base.config()))
                .hasMessageStartingWith(message.formatted(folder));
    }

    @Test
    void whatIsSaidInOtherWordsStandsAndDropoutIsTheJobs() {
        AdapterFiles.write(SteppedAdapters.of(EngineSettings.lora(first()), base.config()), folder);
        JobConfig job = open(first(), folder)
                .addOptions(List.of("target_modules=.*(q|down)_proj", "r=4", "lora_dropout=0.25"))
                .build();
        JobConfig settled = FirstAdapter.settle(job, base.config());
        assertThat(settled.get(AdapterKeys.TARGET_MODULES)).isEqualTo(TargetModules.names("q_proj", "down_proj"));
        assertThat(settled.get(AdapterKeys.LORA_ALPHA)).isEqualTo(12);
        assertThat(settled.get(AdapterKeys.LORA_DROPOUT)).isEqualTo(0.25);
        assertThat(FirstAdapter.settle(settled, base.config()).effective()).isEqualTo(settled.effective());
    }

    @Test
    void itsMagnitudesAndBiasesAreTrainedOn() {
        TokenData data = TestShards.write(tables(), 4);
        JobConfig dora = first().toBuilder()
                .set("use_dora", true)
                .set("bias", "lora_only")
                .set("max_steps", 1)
                .build();
        RunRecord one = train(dora, data, RunObserver.NONE);
        AdapterFiles.write(adapter(one), folder);
        JobConfig next = open(dora, folder)
                .set("use_dora", null)
                .set("bias", null)
                .set("run_id", "next")
                .set("learning_rate", 1e-30)
                .build();
        Adapter still = adapter(train(next, data, RunObserver.NONE));
        assertThat(still.config()).isEqualTo(AdapterFiles.read(folder).config());
        assertThat(still.tensors()).isEqualTo(AdapterFiles.read(folder).tensors());
    }

    @Test
    void whatIsTrainedBesideTheMatricesIsTheAdaptersToo() {
        JobConfig made = first().toBuilder()
                .set("bias", "all")
                .set("use_dora", true)
                .set("modules_to_save", List.of("embed_tokens", "model.norm"))
                .build();
        AdapterFiles.write(SteppedAdapters.of(EngineSettings.lora(made), base.config()), folder);
        JobConfig settled = FirstAdapter.settle(open(first(), folder).build(), base.config());
        assertThat(EngineSettings.lora(settled)).isEqualTo(EngineSettings.lora(made));
        FirstAdapter.check(settled, base.config());
        JobConfig same = open(first(), folder)
                .set("modules_to_save", List.of("model.norm", "tokens"))
                .build();
        assertThat(FirstAdapter.settle(same, base.config()).effective()).isEqualTo(settled.effective());
        JobConfig other = open(first(), folder)
                .set("modules_to_save", List.of("embed_tokens"))
                .build();
        assertThatThrownBy(() -> FirstAdapter.settle(other, base.config()))
                .hasMessageStartingWith(
                        "QLORA-P161: the job's modules_to_save leave out model.norm, for which the adapter in " + folder
                                + " (adapter_name_or_path) has weights");
    }

    @Test
    void badFilesAndWeightsOfAnotherBaseAreRefused() {
        JobConfig job = open(first(), folder).build();
        assertThatThrownBy(() -> FirstAdapter.settle(job, base.config()))
                .hasMessageStartingWith("QLORA-T001: " + folder.resolve("adapter_config.json") + " does not exist");
        Adapter whole = SteppedAdapters.of(EngineSettings.lora(first()), base.config());
        AdapterFiles.write(
                new Adapter(
                        whole.config(),
                        null,
                        whole.tensors().subList(2, whole.tensors().size())),
                folder);
        assertThatThrownBy(() -> FirstAdapter.check(job, base.config()))
                .hasMessageStartingWith("QLORA-T055: the adapter does not fit this run: ")
                .hasMessageContaining("is missing");
        assertThatThrownBy(() -> FirstAdapter.read(job, "an-other"))
                .hasMessageStartingWith("QLORA-P162: " + folder + " is not the adapter that the run started from");
    }
}
