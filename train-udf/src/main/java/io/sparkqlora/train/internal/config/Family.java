// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * What is a model family's own, as data. A new family is one more entry of {@link #ALL} and the tensors that its
 * {@code WeightNames} adds.
 *
 * @param modelType {@code model_type} of its config.json
 * @param hiddenActs activations that can be run
 * @param defaults values of its transformers configuration class, for keys that config.json leaves out
 */
record Family(String modelType, Set<String> hiddenActs, Map<String, Object> defaults) {

    private static final Family LLAMA = new Family(
            "llama",
            Set.of("silu"),
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

    private static final Map<String, Family> ALL = Map.of(LLAMA.modelType, LLAMA);

    /** The family of that {@code model_type}, or null. */
    static Family of(String modelType) {
        return ALL.get(modelType);
    }

    /** All model types, in alphabetical order. */
    static Set<String> names() {
        return new TreeSet<>(ALL.keySet());
    }
}
