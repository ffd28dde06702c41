// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.nio.file.Path;
import java.util.List;

/** What tests of modules that are trained whole share. */
final class SavedModules {

    static final String PREFIX = "base_model.model.";
    static final String EMBEDDING = PREFIX + "model.embed_tokens.weight";
    static final String HEAD = PREFIX + "lm_head.weight";
    static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);
    static final List<String> EVERYTHING = List.of("embed_tokens", "lm_head", "norm");
    static final int TOKENS = 96;
    static final int VOCABULARY = 51;

    private SavedModules() {}

    static Checkpoint checkpoint(String name) {
        return Checkpoint.open(Path.of("src/test/resources/parity", name));
    }

    static LoraConfig lora(List<String> saved, String... targets) {
        return LoraConfig.builder()
                .r(4)
                .modulesToSave(saved)
                .targetModules(TargetModules.names(targets))
                .build();
    }

    static LoraConfig lora(List<String> saved) {
        return lora(saved, "q_proj", "down_proj");
    }

    static TrainingState steps(TrainingSession session, int from, int to) {
        for (int i = from; i < to; i++) {
            session.step(List.of(List.of(TestRows.packed(i, VOCABULARY, 11, 23))));
        }
        return session.state();
    }

    static List<String> saved(Adapter adapter) {
        return adapter.tensors().stream()
                .map(NamedTensor::name)
                .filter(name -> !name.contains(".lora_"))
                .toList();
    }

    static NamedTensor tensor(Adapter adapter, String name) {
        return adapter.tensors().stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
