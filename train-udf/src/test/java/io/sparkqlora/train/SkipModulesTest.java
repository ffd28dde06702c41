// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SkipModulesTest {

    private static final List<String> SOME = List.of("lm_head", "q_proj", "model.layers.1.mlp");

    /** What {@code should_convert_module} of transformers 5.18 says of the same names, the other way round. */
    @ParameterizedTest
    @CsvSource({
        "q_proj, model.layers.0.self_attn.q_proj, true",
        "proj, model.layers.0.self_attn.q_proj, true",
        "self_attn, model.layers.0.self_attn.q_proj, false",
        "model.layers.1, model.layers.1.mlp.up_proj, true",
        "model.layers.1, model.layers.10.mlp.up_proj, true",
        "model.layers.1., model.layers.10.mlp.up_proj, true",
        "model.layers.1\\., model.layers.10.mlp.up_proj, false",
        "layers.1.mlp, model.layers.1.mlp.up_proj, false",
        ".*mlp, model.layers.1.mlp.up_proj, true",
        "lm_head, lm_head, true",
        "lm_head, model.layers.0.mlp.up_proj, false"
    })
    void matchesAsTransformersDoes(String pattern, String module, boolean skipped) {
        assertThat(new SkipModules(List.of(pattern)).skips(module)).isEqualTo(skipped);
    }

    @Test
    void withoutAListItIsTheOutputProjectionAlone() {
        assertThat(SkipModules.DEFAULT.skips("lm_head")).isTrue();
        assertThat(SkipModules.DEFAULT.skips("model.layers.0.mlp.up_proj")).isFalse();
    }

    @Test
    void listsThatCannotBeMeantAreRefused() {
        assertThatThrownBy(() -> new SkipModules(List.of("lm_head", "q_(proj")))
                .hasMessageContaining("QLORA-T150: llm_int8_skip_modules has q_(proj, which is no regular expression");
        assertRefused(List.of("lm_head", "query"), "QLORA-T158: llm_int8_skip_modules: query is of no linear layer");
        assertRefused(List.of("q_proj"), "QLORA-T154: llm_int8_skip_modules is [q_proj], without lm_head");
        assertRefused(
                List.of("lm_head", "model"), "QLORA-T155: llm_int8_skip_modules [lm_head, model] has every linear");
    }

    private static void assertRefused(List<String> patterns, String message) {
        try (Device device = Devices.open("cpu")) {
            assertThatThrownBy(() ->
                            TestSessions.open(device, skipping(patterns), TestSessions.LORA, TestSessions.ARGUMENTS))
                    .hasMessageContaining(message);
        }
    }

    private static QuantizationConfig skipping(List<String> patterns) {
        return QuantizationConfig.nf4(ComputeType.F32).withSkipModules(new SkipModules(patterns));
    }

    /** A layer that is kept whole on each rank stands beside those that are cut; so do two in one product. */
    @Test
    void ranksThatShareTheBaseGiveTheSameBits() {
        TrainingState whole = ShardedBaseTest.train(
                2,
                skipping(SOME),
                TestSessions.LORA,
                ShardedBaseTest.arguments(2, false, Recompute.NONE),
                rank -> Devices.open("cpu"));
        for (Recompute recompute : List.of(Recompute.NONE, Recompute.FULL)) {
            assertThat(ShardedBaseTest.train(
                            2,
                            skipping(SOME),
                            TestSessions.LORA,
                            ShardedBaseTest.arguments(2, true, recompute),
                            rank -> Devices.open("cpu")))
                    .isEqualTo(whole);
        }
    }
}
