// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TinyModels;
import io.sparkqlora.train.internal.model.ModelLayout;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LoraTargetsTest {

    private static final List<String> MODULES =
            ModelLayout.of(TinyModels.config()).moduleNames();

    @Test
    void aNameMatchesWholeLastParts() {
        assertThat(resolve(TargetModules.names("q_proj", "mlp.up_proj")))
                .containsExactly(
                        "model.layers.0.self_attn.q_proj",
                        "model.layers.0.mlp.up_proj",
                        "model.layers.1.self_attn.q_proj",
                        "model.layers.1.mlp.up_proj");
        assertThat(resolve(TargetModules.names("model.layers.1.mlp.down_proj")))
                .containsExactly("model.layers.1.mlp.down_proj");
    }

    @Test
    void aStringIsARegularExpressionForTheWholeName() {
        assertThat(resolve(TargetModules.of(".*\\.1\\.self_attn\\.[kv]_proj")))
                .containsExactly("model.layers.1.self_attn.k_proj", "model.layers.1.self_attn.v_proj");
    }

    @Test
    void allLinearLeavesTheOutputProjectionOut() {
        assertThat(resolve(TargetModules.of("All-Linear"))).hasSize(14).doesNotContain("lm_head");
        assertThat(LoraTargets.spelledOut(TargetModules.allLinear(), MODULES).values())
                .containsExactly("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj");
    }

    @Test
    void theOutputProjectionCanBeNamed() {
        assertThat(resolve(TargetModules.names("lm_head"))).containsExactly("lm_head");
    }

    @Test
    void anEntryThatMatchesNothingIsNamedWithWhatExists() {
        assertThatThrownBy(() -> resolve(TargetModules.names("q_proj", "c_attn")))
                .hasMessage("QLORA-T054: target_modules: c_attn matches no linear layer of the model; it has q_proj,"
                        + " k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head; name some of these, or"
                        + " all-linear");
    }

    @Test
    void anExpressionThatMatchesOnlyAPartMatchesNothing() {
        assertThatThrownBy(() -> resolve(TargetModules.of("q_proj")))
                .hasMessageStartingWith("QLORA-T054: target_modules: q_proj matches no linear layer");
    }

    @Test
    void aBrokenExpressionIsRefused() {
        assertThatThrownBy(() -> TargetModules.of("(q|v"))
                .hasMessageStartingWith("QLORA-T051: target_modules (q|v is not a regular expression: Unclosed group");
    }

    private static Set<String> resolve(TargetModules targets) {
        return LoraTargets.resolve(targets, MODULES);
    }
}
