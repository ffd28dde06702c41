// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.LoraConfig;
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

    @Test
    void excludedModulesGetNone() {
        LoraConfig config = config(TargetModules.allLinear(), TargetModules.names("v_proj", "mlp.up_proj"), List.of());
        assertThat(LoraTargets.resolve(config, MODULES)).hasSize(10).noneMatch(name -> name.endsWith("v_proj"));
        config = config(TargetModules.names("q_proj", "k_proj"), TargetModules.of(".*\\.0\\..*"), List.of());
        assertThat(LoraTargets.resolve(config, MODULES))
                .containsExactly("model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.k_proj");
    }

    @Test
    void layersAreChosenByNumber() {
        LoraConfig config = config(TargetModules.names("q_proj"), null, List.of(1));
        assertThat(LoraTargets.resolve(config, MODULES)).containsExactly("model.layers.1.self_attn.q_proj");
        config = config(TargetModules.names("q_proj"), null, List.of(1), "layers");
        assertThat(LoraTargets.resolve(config, MODULES)).containsExactly("model.layers.1.self_attn.q_proj");
        // what is named in full needs no layer, as in PEFT
        config = config(TargetModules.names("k_proj", "model.layers.0.mlp.up_proj"), null, List.of(1));
        assertThat(LoraTargets.resolve(config, MODULES))
                .containsExactly("model.layers.0.mlp.up_proj", "model.layers.1.self_attn.k_proj");
    }

    @Test
    void choicesThatChooseNothingAreRefused() {
        TargetModules q = TargetModules.names("q_proj");
        assertThatThrownBy(() -> LoraTargets.resolve(config(q, TargetModules.names("v_proj"), List.of()), MODULES))
                .hasMessage("QLORA-T133: exclude_modules: v_proj is of no module that target_modules means; those are "
                        + "model.layers.0.self_attn.q_proj, model.layers.1.self_attn.q_proj; correct or remove it");
        assertThatThrownBy(() -> LoraTargets.resolve(config(q, null, List.of(0, 2)), MODULES))
                .hasMessageStartingWith("QLORA-T133: layers_to_transform: 2 is of no module");
        assertThatThrownBy(() -> LoraTargets.resolve(config(q, null, List.of(1), "blocks"), MODULES))
                .hasMessageStartingWith("QLORA-T133: layers_to_transform: 1 is of no module");
        assertThatThrownBy(() -> LoraTargets.resolve(config(q, q, List.of()), MODULES))
                .hasMessageStartingWith("QLORA-T134: exclude_modules and layers_to_transform leave no module");
        assertThatThrownBy(() -> config(q, null, List.of(), "layers"))
                .hasMessageStartingWith("QLORA-T131: layers_pattern is [layers] without layers_to_transform");
        assertThatThrownBy(() -> config(TargetModules.of(".*q_proj"), null, List.of(1)))
                .hasMessageStartingWith("QLORA-T132: layers_to_transform stands beside target_modules .*q_proj");
        assertThatThrownBy(() -> config(q, null, List.of(1), "(layers"))
                .hasMessageContaining("layers_pattern is (layers, expected a regular expression");
    }

    private static LoraConfig config(
            TargetModules targets, TargetModules excluded, List<Integer> layers, String... patterns) {
        return LoraConfig.builder()
                .targetModules(targets)
                .layers(new LayerChoice(excluded, layers, List.of(patterns)))
                .build();
    }

    private static Set<String> resolve(TargetModules targets) {
        return LoraTargets.resolve(targets, MODULES);
    }
}
