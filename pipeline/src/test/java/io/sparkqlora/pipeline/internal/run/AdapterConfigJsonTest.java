// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModulePattern;
import io.sparkqlora.train.TargetModules;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdapterConfigJsonTest {

    /** From the job's keys to the table and back; --set and a param of a stage give lists as text. */
    @Test
    void whatAJobSaysOfTheAdapterIsRecordedAndRead() {
        JobConfig job = TestJobs.small(Path.of("out"))
                .set("target_modules", List.of("q_proj", "v_proj"))
                .set("init_lora_weights", "gaussian")
                .set("use_dora", true)
                .set("bias", "lora_only")
                .set("modules_to_save", List.of("embed_tokens", "norm"))
                .addOptions(List.of(
                        "exclude_modules=.*[.]3[.].*",
                        "layers_to_transform=[0, 2]",
                        "layers_pattern=layers",
                        "rank_pattern={v_proj: 16, \".*[.]0[.].*\": 2}",
                        "alpha_pattern={v_proj: 2.5}"))
                .build();
        LoraConfig lora = EngineSettings.lora(job);
        assertThat(lora.layers())
                .isEqualTo(new LayerChoice(TargetModules.of(".*[.]3[.].*"), List.of(0, 2), List.of("layers")));
        assertThat(lora.initLoraWeights()).isEqualTo(InitLoraWeights.GAUSSIAN);
        assertThat(lora.rankPattern().entries())
                .containsExactly(new ModulePattern.Entry("v_proj", 16), new ModulePattern.Entry(".*[.]0[.].*", 2));
        assertThat(lora.alphaPattern()).isEqualTo(ModulePattern.of(Map.of("v_proj", 2.5)));
        assertThat(lora.useDora()).isTrue();
        assertThat(lora.modulesToSave()).containsExactly("embed_tokens", "norm");
        assertThat(AdapterConfigJson.read(AdapterConfigJson.write(lora))).isEqualTo(lora);
    }

    @ParameterizedTest
    @CsvSource({
        "pissa, {}, pissa, 0",
        "PISSA_niter_16, {}, pissa_niter_16, 16",
        "loftq, '{loftq_bits: 4, loftq_iter: 3}', loftq, 3",
        "loftq, {}, loftq, 1"
    })
    void howAnAdapterBeganIsRecordedWithItsIterations(String init, String loftq, String name, int iterations) {
        JobConfig job = TestJobs.small(Path.of("out"))
                .addOptions(List.of("init_lora_weights=" + init, "loftq_config=" + loftq))
                .build();
        LoraConfig lora = EngineSettings.lora(job);
        assertThat(lora.initLoraWeights()).hasToString(name);
        assertThat(lora.initLoraWeights().iterations()).isEqualTo(iterations);
        assertThat(AdapterConfigJson.read(AdapterConfigJson.write(lora))).isEqualTo(lora);
        assertThat(EngineSettings.lora(ConfigJson.read(ConfigJson.write(job)))).isEqualTo(lora);
    }

    @Test
    void whatIsNotSaidIsNotRecorded() {
        LoraConfig lora = EngineSettings.lora(TestJobs.small(Path.of("out")).build());
        String json = AdapterConfigJson.write(lora);
        assertThat(json).doesNotContain("exclude", "layers_", "init_lora", "pattern", "dora", "bias", "save");
        assertThat(AdapterConfigJson.read(json)).isEqualTo(lora);
    }
}
