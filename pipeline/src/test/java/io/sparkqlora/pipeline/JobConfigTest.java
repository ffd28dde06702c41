// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.train.TargetModules;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JobConfigTest {

    private static final String NEEDED = "model_name_or_path: base\ndataset: data.jsonl\noutput_dir: out\n";

    @TempDir
    Path dir;

    @Test
    void readsAJobFileWithDefaults() {
        JobConfig config = read(NEEDED + "r: 16\nlearning_rate: 5e-4\ntarget_modules: [q_proj, v_proj]\n");
        assertThat(config.get(AdapterKeys.R)).isEqualTo(16);
        assertThat(config.get(TrainingKeys.LEARNING_RATE)).isEqualTo(5e-4);
        assertThat(config.get(AdapterKeys.TARGET_MODULES)).isEqualTo(TargetModules.names("q_proj", "v_proj"));
        assertThat(config.get(TrainingKeys.SEED)).isEqualTo(42);
        assertThat(config.has(RunKeys.RUN_ID)).isFalse();
    }

    @Test
    void optionsReplaceWhatTheFileSays() {
        JobConfig config = read(NEEDED + "r: 16\n", "r=4", "target_modules=[k_proj]", "packing=false", "lora_alpha=32");
        assertThat(config.get(AdapterKeys.R)).isEqualTo(4);
        assertThat(config.get(AdapterKeys.TARGET_MODULES)).isEqualTo(TargetModules.names("k_proj"));
        assertThat(config.get(DataKeys.PACKING)).isFalse();
        assertThat(config.get(AdapterKeys.LORA_ALPHA)).isEqualTo(32.0);
    }

    @Test
    void anOptionMayBeAMapping() {
        JobConfig config = read(NEEDED + "lr_scheduler_kwargs: {num_cycles: 2}\n");
        assertThat(config.get(TrainingKeys.LR_SCHEDULER_KWARGS)).isEqualTo(Map.of("num_cycles", 2.0));
        assertThat(read(NEEDED, "lr_scheduler_kwargs={lr_end: 1e-6, power: 2}").get(TrainingKeys.LR_SCHEDULER_KWARGS))
                .isEqualTo(Map.of("lr_end", 1e-6, "power", 2.0));
        assertThat(ConfigJson.read(ConfigJson.write(config)).effective()).isEqualTo(config.effective());
        assertThat(config.identity()).containsKey("lr_scheduler_kwargs");
        assertThat(read(NEEDED + "lr_scheduler_kwargs: {}\n").identity()).doesNotContainKey("lr_scheduler_kwargs");
    }

    @Test
    void aliasesMeanTheSame() {
        JobConfig config = read(NEEDED + "lora_r: 4\nmax_length: 64\ngradient_checkpointing: true\n");
        assertThat(config.get(AdapterKeys.R)).isEqualTo(4);
        assertThat(config.get(DataKeys.MAX_SEQ_LENGTH)).isEqualTo(64);
        assertThat(config.get(TrainingKeys.RECOMPUTE)).isEqualTo("full");
    }

    @Test
    void anUnknownKeyNamesTheNearestAndTheLine() {
        refused(
                "QLORA-P001",
                "job.yaml:4: unknown key 'learning_rat'; did you mean 'learning_rate'?",
                "learning_rat: 1");
        refused("QLORA-P001", "job.yaml:4: unknown key 'zzzzzzzzzz'; docs/CONFIG.md", "zzzzzzzzzz: 1");
    }

    @ParameterizedTest
    @CsvSource({
        "fp16,bnb_4bit_compute_dtype",
        "use_qalora,plain LoRA",
        "fan_in_fan_out,adapters are LoRA's",
        "ensure_weight_tying,are two weights",
        "precompute_ref_log_probs,the reference is the base without the adapter",
        "llm_int8_has_fp16_weight,kept in 8 bits alone",
        "llm_int8_enable_fp32_cpu_offload,every layer is on the device",
        "deepspeed,Spark"
    })
    void aKnownKeyWithoutCounterpartIsRefusedWithTheReason(String key, String reason) {
        refused("QLORA-P002", "job.yaml:4: key '" + key + "' is not supported: ", key + ": true");
        refused("QLORA-P002", reason, key + ": true");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "r: 0|r is 0; allowed: a whole number of at least 1",
                "r: many|r is \"many\"; allowed: a whole number of at least 1",
                "r: 1.5|r is 1.5; allowed: a whole number",
                "seed: 99999999999999999999|seed is 99999999999999999999; allowed: a whole number",
                "lora_dropout: 1.0|lora_dropout is 1.0; allowed: a number of at least 0.0 and below 1.0",
                "learning_rate: nan|allowed: a number of at least 0.0",
                "packing: maybe|packing is \"maybe\"; allowed: true or false",
                "backend: tpu|backend is \"tpu\"; allowed: one of auto, cpu, cuda",
                "bias: some|bias is \"some\"; allowed: one of none, all, lora_only",
                "chat_template_date: 26.7.2024|allowed: a day, as 2024-07-26",
                "optim: adamw_hf|allowed: one of adamw_torch, adamw_8bit, paged_adamw_8bit, paged_adamw_32bit, lion_32bit",
                "llm_int8_threshold: -1|allowed: a number of at least 0.0 and at most 65504.0",
                "max_steps: 0|max_steps is 0; allowed: a whole number of at least 1, or -1",
                "lr_scheduler_kwargs: {power: high}|allowed: options of the schedule, as {num_cycles: 2}",
                "exclude_modules: all-linear|allowed: a list of module names, or a regular expression",
                "layers_to_transform: [0, x]|allowed: a layer's number, from 0 on, or a list of them",
                "layers_to_transform: -1|allowed: a layer's number",
                "init_lora_weights: olora|allowed: one of true, gaussian, pissa, pissa_niter_N (N from 1 to 999), loftq",
                "init_lora_weights: pissa_niter_0|allowed: one of true, gaussian, pissa",
                "loftq_config: {loftq_bits: 8}|allowed: {loftq_bits: 4, loftq_iter: N}",
                "loftq_config: {loftq_iter: 0}|allowed: {loftq_bits: 4, loftq_iter: N}",
                "loftq_config: {loftq_rank: 4}|allowed: {loftq_bits: 4, loftq_iter: N}",
                "lr_scheduler_kwargs: 3|allowed: options of the schedule",
                "stage: ppo|stage is \"ppo\"; allowed: one of sft, dpo",
                "loss_type: ipo|loss_type is \"ipo\"; allowed: one of sigmoid",
                "beta: 0|beta is 0; allowed: a number above 0.0",
                "label_smoothing: 0.5|allowed: a number of at least 0.0 and below 0.5",
                "run_id: a/b|run_id is \"a/b\"; allowed: letters",
                "text_column: [a]|text_column is [\"a\"]; allowed: a column name",
                "gradient_checkpointing: 3|gradient_checkpointing is 3; allowed: true or false"
            })
    void aBadValueSaysWhatIsAllowed(String line, String message) {
        refused("QLORA-P003", message, line);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "r: 010|010 is the number 8 to YAML",
                "r: 0x10|0x10 is the number 16 to YAML",
                "run_id: 2024_01|2024_01 is the number 202401 to YAML; write a number in plain decimal digits, and a text in quotes",
                "target_modules: [a, 010]|010 is the number 8"
            })
    void aNumberThatIsNotWhatItSeemsIsRefused(String line, String message) {
        refused("QLORA-P124", message, line);
        String[] option = line.split(": ");
        assertThatThrownBy(() -> read(NEEDED, option[0] + "=" + option[1])).hasMessageContaining(message);
        assertThat(read(NEEDED + "run_id: '010'\n").get(RunKeys.RUN_ID)).isEqualTo("010");
    }

    @Test
    void eightBitsAreInPlaceOfFour() {
        JobConfig config = read(NEEDED + "load_in_8bit: true\nllm_int8_threshold: 4\n");
        assertThat(config.get(QuantizationKeys.LOAD_IN_4BIT)).isFalse();
        assertThat(config.effective()).containsEntry("load_in_4bit", false).containsEntry("load_in_8bit", true);
        JobConfig again = config.toBuilder().set(AdapterKeys.R, 4).build();
        assertThat(again.get(QuantizationKeys.LOAD_IN_4BIT)).isFalse();
        assertThat(again.get(QuantizationKeys.LLM_INT8_THRESHOLD)).isEqualTo(4);
        JobConfig both = read(NEEDED + "load_in_4bit: false\nload_in_8bit: true\nllm_int8_threshold: 4\n");
        assertThat(both.identity()).isEqualTo(config.identity());
        JobConfig back = read(NEEDED + "load_in_8bit: true\n", "load_in_8bit=false");
        assertThat(back.get(QuantizationKeys.LOAD_IN_4BIT)).isTrue();
        refused("QLORA-P155", "load_in_4bit and load_in_8bit are both set", "load_in_4bit: true\nload_in_8bit: true");
    }

    @Test
    void aMissingKeyIsNamed() {
        Path file = write("dataset: data.jsonl\noutput_dir: out\n");
        assertThatThrownBy(() -> JobConfig.read(file, List.of()))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-P004: key 'model_name_or_path' is missing (the folder of a Hugging Face");
    }

    @Test
    void filesThatAreNoJobAreRefused() {
        assertThatThrownBy(() -> JobConfig.read(dir.resolve("none.yaml"), List.of()))
                .hasMessageContaining("QLORA-P005")
                .hasMessageContaining("none.yaml does not exist");
        refused("QLORA-P007", "job.yaml:", "r: [1\n");
        refused("QLORA-P007", "Duplicate field", "r: 1\nr: 2");
        refused("QLORA-P007", "a second document begins here", "r: 1\n---\nr: 2");
        refused("QLORA-P007", "found character '\\t(TAB)' that cannot start any token", "r:\t1\n\tseed: 2");
        assertThat(read("\uFEFF" + NEEDED + "r: 1\r\nseed: 2\r\n").get(AdapterKeys.R))
                .isEqualTo(1);
        Path list = write("- a\n- b\n");
        assertThatThrownBy(() -> JobConfig.read(list, List.of())).hasMessageContaining("QLORA-P008");
        assertThatThrownBy(() -> read(NEEDED, "r")).hasMessageContaining("QLORA-P009");
    }

    @Test
    void theIdentityHoldsWhatMattersAndWasChanged() {
        JobConfig config = read(NEEDED + "r: 16\nlora_alpha: 8\nrun_id: x\nsave_total_limit: 5\n");
        assertThat(config.identity()).containsOnlyKeys("model_name_or_path", "dataset", "r");
        assertThat(config.effective()).containsEntry("lora_alpha", 8.0).containsEntry("target_modules", "all-linear");
    }

    @Test
    void theDocumentedKeysAreThese() throws IOException {
        GeneratedDocs.check("CONFIG.md", ConfigReference.markdown());
    }

    private void refused(String code, String message, String line) {
        assertThatThrownBy(() -> read(NEEDED + line + "\n"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining(code)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    private JobConfig read(String yaml, String... options) {
        return JobConfig.read(write(yaml), List.of(options));
    }

    private Path write(String yaml) {
        try {
            return Files.writeString(dir.resolve("job.yaml"), yaml);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
