// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What configurations of the families beside Llama mean, as transformers reads them. */
class FamilyConfigTest {

    private static ModelConfig parse(String family, String members) {
        return ModelConfig.parse(
                "{\"model_type\": \"" + family + "\", \"num_hidden_layers\": 4" + members + "}", "c.json");
    }

    private static DecoderTraits traits(String family, String members) {
        return parse(family, members).traits();
    }

    @Test
    void windowsAreThoseOfTransformers() {
        assertThat(traits("llama", ", \"sliding_window\": 8").slidingWindows()).containsExactly(0, 0, 0, 0);
        assertThat(traits("mistral", "").slidingWindows()).containsExactly(4096, 4096, 4096, 4096);
        assertThat(traits("mistral", ", \"sliding_window\": null").slidingWindows())
                .containsExactly(0, 0, 0, 0);
        assertThat(traits("phi3", "").slidingWindows()).containsExactly(0, 0, 0, 0);
        assertThat(traits("phi3", ", \"sliding_window\": 2047").slidingWindows())
                .containsExactly(2047, 2047, 2047, 2047);
        assertThat(traits("qwen2", ", \"sliding_window\": 8, \"max_window_layers\": 2")
                        .slidingWindows())
                .containsExactly(0, 0, 0, 0);
        String used = ", \"use_sliding_window\": true, \"sliding_window\": 8, \"max_window_layers\": 3";
        assertThat(traits("qwen3", used).slidingWindows()).containsExactly(0, 0, 0, 8);
        assertThat(traits("qwen2", used.replace("layers\": 3", "layers\": 0")).slidingWindows())
                .containsExactly(8, 8, 8, 8);
        assertThat(traits("gemma2", "").slidingWindows()).containsExactly(4096, 0, 4096, 0);
        String named = ", \"sliding_window\": 8, \"layer_types\": [\"full_attention\", \"full_attention\","
                + " \"sliding_attention\", \"full_attention\"]";
        assertThat(traits("gemma2", named).slidingWindows()).containsExactly(0, 0, 8, 0);
    }

    @Test
    void whatIsLeftOutHasTransformersDefaults() {
        ModelConfig gemma = parse("gemma", ", \"hidden_act\": \"gelu\"");
        assertThat(gemma.hiddenAct()).isEqualTo("gelu_pytorch_tanh");
        assertThat(gemma.headDim()).isEqualTo(256);
        assertThat(gemma.tieWordEmbeddings()).isTrue();
        assertThat(gemma.traits().scaledEmbeddings()).isTrue();
        assertThat(gemma.traits().normWeightOffset()).isEqualTo(1f);
        assertThat(gemma.traits().outputNorms()).isFalse();
        DecoderTraits gemma2 = traits("gemma2", ", \"query_pre_attn_scalar\": 144, \"final_logit_softcapping\": null");
        assertThat(gemma2.queryPreAttnScalar()).isEqualTo(144);
        assertThat(gemma2.attnLogitSoftcapping()).isEqualTo(50f);
        assertThat(gemma2.finalLogitSoftcapping()).isZero();
        assertThat(gemma2.outputNorms()).isTrue();
        assertThat(traits("qwen2", "").qkvBias()).isTrue();
        assertThat(parse("qwen3", "").headDim()).isEqualTo(128);
        assertThat(traits("qwen3", "").queryKeyNorms()).isTrue();
        assertThat(traits("phi3", "").fusedProjections()).isTrue();
        assertThat(traits("phi3", "").rotaryDim()).isEqualTo(96);
        assertThat(traits("phi3", ", \"partial_rotary_factor\": 0.75").rotaryDim())
                .isEqualTo(72);
        assertThat(traits("phi3", ", \"rope_parameters\": {\"rope_theta\": 1e4, \"partial_rotary_factor\": 0.5}")
                        .rotaryDim())
                .isEqualTo(48);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "phi3 | \"rope_scaling\": {\"type\": \"longrope\", \"short_factor\": [1.0]} | T004: c.json: rope_scaling.short_factor is [1.0], expected a list of 48 numbers over 0",
                "phi3 | \"rope_scaling\": {\"type\": \"su\"} | T004: c.json: rope_scaling.short_factor is absent, expected a list of 48 numbers",
                "phi3 | \"partial_rotary_factor\": 0.0625, \"rope_scaling\": {\"type\": \"su\", \"short_factor\": [1, 2, 3], \"long_factor\": [1, -2, 3]} | T004: c.json: rope_scaling.long_factor is [1,-2,3], expected a list of 3 numbers over 0",
                "phi3 | \"partial_rotary_factor\": 0.01 | T004: c.json: partial_rotary_factor is 0.01, expected a part of a head",
                "phi3 | \"resid_pdrop\": 0.1 | T006: c.json: resid_pdrop = 0.1",
                "phi3 | \"embd_pdrop\": 0.1 | T006: c.json: embd_pdrop = 0.1",
                "qwen2 | \"rope_scaling\": {\"type\": \"dynamic\", \"factor\": 4.0} | T006: c.json: rope_scaling.rope_type = dynamic is not supported; supported are default, linear, llama3, yarn, longrope",
                "qwen2 | \"rope_scaling\": {\"type\": \"su\"} | T006: c.json: rope_scaling.rope_type = su",
                "qwen2 | \"rope_scaling\": {\"type\": \"yarn\"} | T004: c.json: rope_scaling.factor is absent, expected a number over 0",
                "qwen2 | \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"beta_fast\": -1} | T004: c.json: rope_scaling.beta_fast is -1, expected a number, 0 or more",
                "qwen2 | \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4, \"attention_factor\": 0} | T004: c.json: rope_scaling.attention_factor is 0",
                "qwen2 | \"partial_rotary_factor\": 0.5 | T006: c.json: partial_rotary_factor = 0.5",
                "qwen2 | \"layer_types\": [\"full_attention\"] | T004: c.json: layer_types is [\"full_attention\"], expected one for each of the 4 layers",
                "qwen2 | \"layer_types\": [1, 2, 3, 4] | T004: c.json: layer_types is [1,2,3,4], expected a list of strings",
                "qwen3 | \"layer_types\": \"full\" | T004: c.json: layer_types is \"full\", expected a list of strings",
                "gemma2 | \"layer_types\": [\"chunked_attention\", \"a\", \"b\", \"c\"] | T006: c.json: layer_types = chunked_attention",
                "gemma2 | \"sliding_window\": null, \"layer_types\": [\"sliding_attention\", \"a\", \"b\", \"c\"] | T004: c.json: sliding_window is null",
                "gemma2 | \"hidden_activation\": \"silu\" | T006: c.json: hidden_activation = silu is not supported; gemma2 is supported with gelu_pytorch_tanh",
                "gemma2 | \"query_pre_attn_scalar\": 0 | T004: c.json: query_pre_attn_scalar is 0",
                "gemma | \"use_bidirectional_attention\": true | T006: c.json: use_bidirectional_attention = true",
                "mistral | \"attention_bias\": true | T006: c.json: attention_bias = true",
                "qwen3 | \"mlp_bias\": true | T006: c.json: mlp_bias = true",
                "mistral | \"layer_types\": [\"sliding_attention\"] | T006: c.json: layer_types",
                "gemma3_text | \"hidden_size\": 64 | T005: c.json: model_type gemma3_text is not supported; supported are gemma, gemma2, llama, mistral, phi3, qwen2, qwen3",
                "qwen2_moe | \"hidden_size\": 64 | T005: c.json: model_type qwen2_moe is not supported"
            })
    void refusesWhatItCantRun(String family, String members, String message) {
        assertThatThrownBy(() -> parse(family, ", " + members))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-" + message);
    }
}
