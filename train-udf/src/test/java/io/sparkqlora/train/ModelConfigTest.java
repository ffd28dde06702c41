// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelConfigTest {

    private static ModelConfig parse(String members) {
        return ModelConfig.parse(
                "{\"model_type\": \"llama\"" + (members.isEmpty() ? "" : ", " + members) + "}", "c.json");
    }

    @Test
    void whatIsLeftOutHasTransformersDefaults() {
        ModelConfig config = parse("");
        assertThat(config)
                .isEqualTo(new ModelConfig(
                        "llama",
                        4096,
                        11008,
                        32,
                        32,
                        32,
                        128,
                        32000,
                        2048,
                        1e-6f,
                        RopeParameters.unscaled(10000),
                        false,
                        "silu",
                        false,
                        false,
                        List.of(2),
                        1,
                        null,
                        DecoderTraits.builder(128, 32).build()));
    }

    @Test
    void readsGivenValues() {
        ModelConfig config = parse("\"hidden_size\": 64, \"num_attention_heads\": 4, \"num_key_value_heads\": 2,"
                + " \"head_dim\": 32, \"tie_word_embeddings\": true, \"eos_token_id\": [5, 6], \"bos_token_id\": null,"
                + " \"pad_token_id\": 0, \"pretraining_tp\": 2, \"dtype\": \"bfloat16\", \"rms_norm_eps\": 1e-5");
        assertThat(config.queryDim()).isEqualTo(128);
        assertThat(config.keyValueDim()).isEqualTo(64);
        assertThat(config.tieWordEmbeddings()).isTrue();
        assertThat(config.eosTokenIds()).containsExactly(5, 6);
        assertThat(config.bosTokenId()).isNull();
        assertThat(config.padTokenId()).isZero();
        assertThat(config.rmsNormEps()).isEqualTo(1e-5f);
        assertThat(parse("\"eos_token_id\": null").eosTokenIds()).isEmpty();
    }

    @Test
    void readsRopeInBothSpellings() {
        RopeParameters expected = RopeParameters.llama3(500000, 8, 1, 4, 8192);
        String scaling = "\"factor\": 8.0, \"low_freq_factor\": 1.0, \"high_freq_factor\": 4.0,"
                + " \"original_max_position_embeddings\": 8192";
        assertThat(parse("\"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 500000.0, " + scaling + "}")
                        .rope())
                .isEqualTo(expected);
        assertThat(parse("\"rope_theta\": 500000.0, \"rope_scaling\": {\"rope_type\": \"llama3\", " + scaling + "}")
                        .rope())
                .isEqualTo(expected);
        assertThat(parse("\"rope_theta\": 5e5, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2}")
                        .rope())
                .isEqualTo(new RopeParameters("linear", 500000, 2, 0, 0, 0));
        assertThat(parse("\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 7}")
                        .rope())
                .isEqualTo(RopeParameters.unscaled(7));
        assertThat(parse("\"rope_theta\": 100000, \"rope_scaling\": null").rope())
                .isEqualTo(RopeParameters.unscaled(100000));
    }

    /** Qwen's yarn; Phi's longrope under its older names, whose original context stands beside it. */
    @Test
    void readsScaledContexts() {
        RopeParameters yarn = parse(
                        "\"max_position_embeddings\": 32768, \"rope_theta\": 1e6, \"rope_scaling\": {\"type\": \"yarn\","
                                + " \"factor\": 4.0, \"original_max_position_embeddings\": 16384}")
                .rope();
        assertThat(yarn)
                .isEqualTo(RopeParameters.yarn(
                        1e6, 4, 16384, 0.1 * Math.log(4) + 1, new RopeParameters.Yarn(32, 1, true)));
        assertThat(parse(
                                "\"max_position_embeddings\": 32768, \"rope_parameters\": {\"rope_type\": \"yarn\", \"rope_theta\": 1e6,"
                                        + " \"factor\": 4.0, \"original_max_position_embeddings\": 16384}")
                        .rope())
                .isEqualTo(yarn);
        assertThat(parse("\"max_position_embeddings\": 32768, \"rope_scaling\": {\"type\": \"yarn\", \"factor\": 4}")
                        .maxSequenceLength())
                .isEqualTo(131072);
        assertThat(parse("\"max_position_embeddings\": 4096").maxSequenceLength())
                .isEqualTo(4096);
        String phi =
                "{\"model_type\": \"phi3\", \"hidden_size\": 8, \"num_attention_heads\": 2, \"max_position_embeddings\": 131072,";
        String scaling = "\"short_factor\": [1, 1.5], \"long_factor\": [1, 30]";
        RopeParameters longRope = ModelConfig.parse(
                        phi + " \"rope_scaling\": {\"type\": \"longrope\", " + scaling + "}}", "c.json")
                .rope();
        assertThat(longRope)
                .isEqualTo(RopeParameters.longRope(
                        10000,
                        4096,
                        Math.sqrt(1 + Math.log(32) / Math.log(4096)),
                        new RopeParameters.LongRope(List.of(1.0, 1.5), List.of(1.0, 30.0))));
        assertThat(longRope.longestShort()).isEqualTo(4096);
        for (String type : List.of("su", "yarn")) {
            assertThat(ModelConfig.parse(
                                    phi + " \"rope_scaling\": {\"type\": \"" + type + "\", " + scaling + "}}", "c.json")
                            .rope())
                    .isEqualTo(longRope);
        }
        assertThat(ModelConfig.parse(
                                phi
                                        + " \"original_max_position_embeddings\": 8192, \"rope_parameters\": {\"rope_type\":"
                                        + " \"longrope\", \"rope_theta\": 1e4, \"original_max_position_embeddings\": 5, "
                                        + scaling + "}}",
                                "c.json")
                        .rope()
                        .longestShort())
                .isEqualTo(8192);
    }

    @Test
    void llama3RopeTakesTheModelsLengthWhereNoOriginalIsGiven() {
        RopeParameters rope = parse("\"max_position_embeddings\": 4096, \"rope_scaling\": {\"rope_type\": \"llama3\","
                        + " \"factor\": 8, \"low_freq_factor\": 1, \"high_freq_factor\": 4}")
                .rope();
        assertThat(rope.originalMaxPositionEmbeddings()).isEqualTo(4096);
    }

    @ParameterizedTest
    @ValueSource(strings = {"dynamic", "su", "ntk"})
    void otherRopeTypesAreRefusedByName(String type) {
        String rope = "\"rope_scaling\": {\"rope_type\": \"" + type + "\", \"factor\": 2.0}";
        assertRefused(
                rope,
                "QLORA-T006",
                "c.json: rope_scaling.rope_type = " + type,
                "default, linear, llama3, yarn, longrope");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"hidden_size\": \"wide\" | QLORA-T004 | hidden_size is \"wide\", expected a positive integer",
                "\"hidden_size\": 0 | QLORA-T004 | hidden_size is 0, expected a positive integer",
                "\"num_hidden_layers\": 2.5 | QLORA-T004 | num_hidden_layers is 2.5",
                "\"vocab_size\": 99999999999 | QLORA-T004 | vocab_size is 99999999999",
                "\"num_key_value_heads\": 5 | QLORA-T004 | a divisor of num_attention_heads, 32",
                "\"num_attention_heads\": 3 | QLORA-T004 | a divisor of hidden_size, 4096",
                "\"head_dim\": 15 | QLORA-T004 | head_dim is 15, expected an even number",
                "\"rms_norm_eps\": -1 | QLORA-T004 | rms_norm_eps is -1, expected a number over 0",
                "\"eos_token_id\": \"</s>\" | QLORA-T004 | eos_token_id is \"</s>\", expected a token id",
                "\"tie_word_embeddings\": 1 | QLORA-T004 | tie_word_embeddings is 1, expected true or false",
                "\"rope_theta\": null | QLORA-T004 | rope_theta is null",
                "\"rope_scaling\": 2.0 | QLORA-T004 | rope_scaling is 2.0, expected an object",
                "\"rope_scaling\": {\"type\": \"linear\"} | QLORA-T004 | rope_scaling.factor is absent",
                "\"rope_scaling\": {\"partial_rotary_factor\": 0.5} | QLORA-T006 | partial_rotary_factor = 0.5",
                "\"hidden_act\": \"gelu\" | QLORA-T006 | hidden_act = gelu is not supported; llama is supported with silu",
                "\"attention_dropout\": 0.1 | QLORA-T006 | attention_dropout = 0.1",
                "\"quantization_config\": {\"quant_method\": \"gptq\"} | QLORA-T007 | already quantised (gptq)"
            })
    void refusesWhatItCantRun(String members, String code, String message) {
        assertRefused(members, code, message, "c.json");
    }

    private static void assertRefused(String members, String code, String... parts) {
        assertThatThrownBy(() -> parse(members)).isInstanceOfSatisfying(QLoraException.class, e -> {
            assertThat(e.kind()).isEqualTo(Kind.INPUT);
            assertThat(e.code()).isEqualTo(code);
            assertThat(e.getMessage()).contains(parts).hasLineCount(1);
        });
    }

    @Test
    void refusesOtherFamiliesByName() {
        assertThatThrownBy(() -> ModelConfig.parse("{\"model_type\": \"gpt2\"}", "m/config.json"))
                .isInstanceOf(QLoraException.class)
                .hasMessage("QLORA-T005: m/config.json: model_type gpt2 is not supported; supported are gemma, gemma2,"
                        + " llama, mistral, phi3, qwen2, qwen3");
        assertThatThrownBy(() -> ModelConfig.parse("{}", "m/config.json"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("model_type is absent, expected one of gemma, gemma2, llama");
    }

    @Test
    void refusesWhatIsNoJson() {
        assertThatThrownBy(() -> ModelConfig.parse("{\"model_type\": ", "m/config.json"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-T003: m/config.json is not valid JSON: ");
        assertThatThrownBy(() -> ModelConfig.parse("[1]", "m/config.json"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("an object in braces is expected");
        assertThatThrownBy(() -> ModelConfig.parse(Path.of("no/such/config.json")))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("no/such/config.json does not exist");
    }

    @Test
    void namedShapesAreThePublicOnes() {
        assertThat(ModelShapes.names())
                .containsExactly(
                        "smollm2-135m",
                        "tinyllama-1.1b",
                        "gemma-2b",
                        "phi3-mini",
                        "llama2-7b",
                        "mistral-7b",
                        "qwen2.5-7b",
                        "llama3-8b",
                        "qwen3-8b",
                        "gemma2-9b",
                        "llama3-70b");
        assertThat(parameters("smollm2-135m")).isEqualTo(134_515_008L);
        assertThat(parameters("tinyllama-1.1b")).isEqualTo(1_100_048_384L);
        assertThat(parameters("llama2-7b")).isEqualTo(6_738_415_616L);
        assertThat(parameters("llama3-8b")).isEqualTo(8_030_261_248L);
        assertThat(parameters("gemma-2b")).isEqualTo(2_506_172_416L);
        assertThat(parameters("phi3-mini")).isEqualTo(3_821_079_552L);
        assertThat(parameters("mistral-7b")).isEqualTo(7_241_732_096L);
        assertThat(parameters("qwen2.5-7b")).isEqualTo(7_615_616_512L);
        assertThat(parameters("qwen3-8b")).isEqualTo(8_190_735_360L);
        assertThat(parameters("gemma2-9b")).isEqualTo(9_241_705_984L);
        assertThat(parameters("llama3-70b")).isEqualTo(70_553_706_496L);
        assertThatThrownBy(() -> ModelShapes.named("llama9"))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("shape llama9 is unknown; use one of smollm2-135m, tinyllama-1.1b");
    }

    /** The parameter counts that the model cards give. */
    private static long parameters(String shape) {
        WeightSource weights = new RandomWeights(ModelShapes.named(shape), 1);
        return weights.names().stream().mapToLong(n -> weights.info(n).size()).sum();
    }
}
