// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.train.ModelConfig;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StoredFormatTest {

    private static final ModelConfig MODEL = ModelConfig.parse(
            """
            {"model_type": "llama", "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": true,
             "bnb_4bit_quant_type": "fp4", "bnb_4bit_use_double_quant": false, "bnb_4bit_quant_storage": "bfloat16",
             "bnb_4bit_blocksize": 128, "llm_int8_skip_modules": ["lm_head", "q_proj"]}}""",
            "config.json");

    private static final ModelConfig INT8 = ModelConfig.parse(
            """
            {"model_type": "llama", "quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": true,
             "llm_int8_threshold": 3.5, "llm_int8_skip_modules": ["lm_head", "q_proj"]}}""",
            "config.json");

    private static JobConfigBuilder job() {
        return JobConfig.builder()
                .set("model_name_or_path", "base")
                .set("dataset", "data")
                .set("output_dir", "out");
    }

    @Test
    void whatIsStoredTakesTheDefaultsPlace() {
        JobConfig found = StoredFormat.of(job().build(), MODEL);
        assertThat(found.get(QuantizationKeys.BNB_4BIT_QUANT_TYPE)).isEqualTo("fp4");
        assertThat(found.get(QuantizationKeys.BNB_4BIT_USE_DOUBLE_QUANT)).isFalse();
        assertThat(found.get(QuantizationKeys.BNB_4BIT_BLOCKSIZE)).isEqualTo(128);
        assertThat(found.get(QuantizationKeys.BNB_4BIT_QUANT_STORAGE)).isEqualTo("bfloat16");
        assertThat(found.get(QuantizationKeys.LLM_INT8_SKIP_MODULES)).isEqualTo(List.of("lm_head", "q_proj"));
        assertThat(StoredFormat.of(found, MODEL).effective()).isEqualTo(found.effective());
        assertThat(EngineSettings.quantization(job().build(), MODEL))
                .isEqualTo(EngineSettings.quantization(found, MODEL));
    }

    @Test
    void ofAnUnquantisedBaseTheJobStays() {
        JobConfig job = job().set("bnb_4bit_quant_type", "fp4").build();
        assertThat(StoredFormat.of(job, ModelConfig.parse("{\"model_type\": \"llama\"}", "config.json")))
                .isSameAs(job);
    }

    @Test
    void whatIsSetAndTheSameIsFine() {
        JobConfig job = job().set("bnb_4bit_quant_type", "fp4")
                .set("bnb_4bit_use_double_quant", false)
                .set("llm_int8_skip_modules", List.of("q_proj", "lm_head"))
                .set("bnb_4bit_compute_dtype", "float32")
                .build();
        assertThat(StoredFormat.of(job, MODEL).get(QuantizationKeys.BNB_4BIT_COMPUTE_DTYPE))
                .isEqualTo("float32");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "load_in_4bit=false|load_in_4bit is false, but base is quantised already, with true",
                "bnb_4bit_quant_type=nf4|bnb_4bit_quant_type is nf4, but base is quantised already, with fp4",
                "bnb_4bit_use_double_quant=true|bnb_4bit_use_double_quant is true, but",
                "bnb_4bit_blocksize=64|bnb_4bit_blocksize is 64, but base is quantised already, with 128",
                "bnb_4bit_quant_storage=uint8|bnb_4bit_quant_storage is uint8, but",
                "llm_int8_skip_modules=lm_head|llm_int8_skip_modules is [lm_head], but base is quantised already, with [lm_head, q_proj]"
            })
    void whatIsSetAndDiffersIsRefusedByName(String setting, String message) {
        JobConfig job = job().addOptions(List.of(setting)).build();
        assertThatThrownBy(() -> StoredFormat.of(job, MODEL)).hasMessageContaining("QLORA-P150: " + message);
    }

    @Test
    void in8bitsTheThresholdIsStoredToo() {
        JobConfig found = StoredFormat.of(job().build(), INT8);
        assertThat(found.get(QuantizationKeys.LOAD_IN_8BIT)).isTrue();
        assertThat(found.get(QuantizationKeys.LOAD_IN_4BIT)).isFalse();
        assertThat(found.get(QuantizationKeys.LLM_INT8_THRESHOLD)).isEqualTo(3.5);
        assertThat(found.get(QuantizationKeys.LLM_INT8_SKIP_MODULES)).isEqualTo(List.of("lm_head", "q_proj"));
        assertThat(StoredFormat.of(found, INT8).effective()).isEqualTo(found.effective());
        assertThat(EngineSettings.quantization(job().build(), INT8))
                .isEqualTo(EngineSettings.quantization(found, INT8));
        assertThat(StoredFormat.of(job().set("load_in_8bit", true).build(), INT8)
                        .get(QuantizationKeys.LLM_INT8_THRESHOLD))
                .isEqualTo(3.5);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "load_in_4bit=true|load_in_4bit is true, but base is quantised already, with false",
                "load_in_8bit=false|load_in_8bit is false, but base is quantised already, with true",
                "llm_int8_threshold=6|llm_int8_threshold is 6.0, but base is quantised already, with 3.5",
                "llm_int8_skip_modules=lm_head|llm_int8_skip_modules is [lm_head], but base is quantised already, with [lm_head, q_proj]"
            })
    void whatIsSetAndDiffersFrom8BitsIsRefusedByName(String setting, String message) {
        JobConfig job = job().addOptions(List.of(setting)).build();
        assertThatThrownBy(() -> StoredFormat.of(job, INT8)).hasMessageContaining("QLORA-P150: " + message);
    }

    @Test
    void eightBitsOfABaseInFourAreRefused() {
        JobConfig job = job().set("load_in_8bit", true).build();
        assertThatThrownBy(() -> StoredFormat.of(job, MODEL))
                .hasMessageContaining("QLORA-P150: load_in_8bit is true, but base is quantised already, with false");
    }
}
