// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The families that can be run. One more is one more entry, if its decoder has nothing that the others have not. */
final class Families {

    private static final Map<String, String> SILU = Map.of("silu", "silu");

    /** Llama 2 and 3, SmolLM, TinyLlama. */
    private static final Family LLAMA = new Family(
            "llama",
            "hidden_act",
            SILU,
            WindowRule.NONE,
            false,
            (traits, config) -> {},
            Map.ofEntries(
                    Map.entry("vocab_size", 32000),
                    Map.entry("hidden_size", 4096),
                    Map.entry("intermediate_size", 11008),
                    Map.entry("num_hidden_layers", 32),
                    Map.entry("num_attention_heads", 32),
                    Map.entry("hidden_act", "silu"),
                    Map.entry("max_position_embeddings", 2048),
                    Map.entry("rms_norm_eps", 1e-6),
                    Map.entry("bos_token_id", 1),
                    Map.entry("eos_token_id", 2),
                    Map.entry("tie_word_embeddings", false),
                    Map.entry("rope_theta", 10000.0),
                    Map.entry("attention_bias", false),
                    Map.entry("mlp_bias", false)));

    private static final Map<String, Family> ALL = Stream.of(LLAMA)
            .collect(Collectors.toMap(Family::modelType, Function.identity(), (a, b) -> a, TreeMap::new));

    private Families() {}

    /** The family of that {@code model_type}, or null. */
    static Family of(String modelType) {
        return ALL.get(modelType);
    }

    /** All model types, in alphabetical order. */
    static Set<String> names() {
        return ALL.keySet();
    }
}
