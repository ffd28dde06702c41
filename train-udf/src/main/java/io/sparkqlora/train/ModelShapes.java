// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/**
 * Configurations of well-known public checkpoints, for benchmarks and memory plans that need no checkpoint: their
 * {@code config.json} without what is their family's default.
 */
public final class ModelShapes {

    private static final String LLAMA31_ROPE =
            """
            "rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}""";

    private static final Map<String, ModelConfig> NAMED = named();

    private ModelShapes() {}

    /** The names, smallest model first. */
    public static Set<String> names() {
        return Collections.unmodifiableSet(NAMED.keySet());
    }

    /**
     * A named shape: {@code smollm2-135m}, {@code tinyllama-1.1b}, {@code gemma-2b}, {@code phi3-mini} (4k),
     * {@code llama2-7b}, {@code mistral-7b} (v0.1), {@code qwen2.5-7b}, {@code llama3-8b} (Llama 3.1), {@code qwen3-8b},
     * {@code gemma2-9b}, {@code llama3-70b} (Llama 3.1).
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the name is not known
     */
    public static ModelConfig named(String name) {
        ModelConfig config = NAMED.get(name);
        if (config == null) {
            throw CheckpointErrors.unknownShape(name, NAMED.keySet());
        }
        return config;
    }

    private static Map<String, ModelConfig> named() {
        Map<String, ModelConfig> shapes = new LinkedHashMap<>();
        put(
                shapes,
                "smollm2-135m",
                """
                {"model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
                 "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "rms_norm_eps": 1e-5,
                 "max_position_embeddings": 8192, "rope_theta": 100000.0, "tie_word_embeddings": true,
                 "eos_token_id": 0, "bos_token_id": 0}""");
        put(
                shapes,
                "tinyllama-1.1b",
                """
                {"model_type": "llama", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
                 "num_attention_heads": 32, "num_key_value_heads": 4, "rms_norm_eps": 1e-5}""");
        put(
                shapes,
                "gemma-2b",
                """
                {"model_type": "gemma", "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 18,
                 "num_attention_heads": 8, "num_key_value_heads": 1}""");
        put(shapes, "phi3-mini", """
                {"model_type": "phi3", "sliding_window": 2047}""");
        put(
                shapes,
                "llama2-7b",
                """
                {"model_type": "llama", "max_position_embeddings": 4096, "rms_norm_eps": 1e-5}""");
        put(
                shapes,
                "mistral-7b",
                """
                {"model_type": "mistral", "max_position_embeddings": 32768, "rms_norm_eps": 1e-5}""");
        put(
                shapes,
                "qwen2.5-7b",
                """
                {"model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                 "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "rope_theta": 1000000.0,
                 "eos_token_id": 151643, "bos_token_id": 151643}""");
        put(
                shapes,
                "llama3-8b",
                """
                {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                 "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 131072,
                 "rms_norm_eps": 1e-5, "eos_token_id": 128001, "bos_token_id": 128000, %s}""",
                LLAMA31_ROPE);
        put(
                shapes,
                "qwen3-8b",
                """
                {"model_type": "qwen3", "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
                 "num_key_value_heads": 8, "max_position_embeddings": 40960, "rope_theta": 1000000.0,
                 "eos_token_id": 151645, "bos_token_id": 151643}""");
        put(
                shapes,
                "gemma2-9b",
                """
                {"model_type": "gemma2", "hidden_size": 3584, "intermediate_size": 14336, "num_hidden_layers": 42,
                 "num_attention_heads": 16, "num_key_value_heads": 8}""");
        put(
                shapes,
                "llama3-70b",
                """
                {"model_type": "llama", "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
                 "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 128256,
                 "max_position_embeddings": 131072, "rms_norm_eps": 1e-5, "eos_token_id": 128001,
                 "bos_token_id": 128000, %s}""",
                LLAMA31_ROPE);
        return shapes;
    }

    private static void put(Map<String, ModelConfig> shapes, String name, String config, Object... parts) {
        shapes.put(name, ModelConfig.parse(config.formatted(parts), name));
    }
}
