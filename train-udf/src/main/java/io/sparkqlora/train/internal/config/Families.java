// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import io.sparkqlora.train.DecoderTraits;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The families that can be run. One more is one more entry, if its decoder has nothing that the others have not. */
final class Families {

    private static final Map<String, String> SILU = Map.of("silu", "silu");

    /** Gemma's first configurations say gelu, and transformers runs its tanh form. */
    private static final Map<String, String> GELU_TANH =
            Map.of("gelu_pytorch_tanh", "gelu_pytorch_tanh", "gelu", "gelu_pytorch_tanh");

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

    private static final Family MISTRAL = new Family(
            "mistral",
            "hidden_act",
            SILU,
            WindowRule.EVERY_LAYER,
            false,
            (traits, config) -> {},
            Map.ofEntries(
                    Map.entry("vocab_size", 32000),
                    Map.entry("hidden_size", 4096),
                    Map.entry("intermediate_size", 14336),
                    Map.entry("num_hidden_layers", 32),
                    Map.entry("num_attention_heads", 32),
                    Map.entry("num_key_value_heads", 8),
                    Map.entry("hidden_act", "silu"),
                    Map.entry("max_position_embeddings", 131072),
                    Map.entry("rms_norm_eps", 1e-6),
                    Map.entry("bos_token_id", 1),
                    Map.entry("eos_token_id", 2),
                    Map.entry("tie_word_embeddings", false),
                    Map.entry("sliding_window", 4096),
                    Map.entry("rope_theta", 10000.0)));

    private static final Map<String, Object> QWEN = Map.ofEntries(
            Map.entry("vocab_size", 151936),
            Map.entry("hidden_size", 4096),
            Map.entry("intermediate_size", 22016),
            Map.entry("num_hidden_layers", 32),
            Map.entry("num_attention_heads", 32),
            Map.entry("num_key_value_heads", 32),
            Map.entry("hidden_act", "silu"),
            Map.entry("max_position_embeddings", 32768),
            Map.entry("rms_norm_eps", 1e-6),
            Map.entry("tie_word_embeddings", false),
            Map.entry("use_sliding_window", false),
            Map.entry("sliding_window", 4096),
            Map.entry("max_window_layers", 28),
            Map.entry("rope_theta", 10000.0));

    /** Qwen 2 and 2.5. */
    private static final Family QWEN2 = new Family(
            "qwen2", "hidden_act", SILU, WindowRule.UPPER_LAYERS, false, (traits, config) -> traits.qkvBias(), QWEN);

    private static final Family QWEN3 = new Family(
            "qwen3",
            "hidden_act",
            SILU,
            WindowRule.UPPER_LAYERS,
            false,
            (traits, config) -> traits.queryKeyNorms(),
            and(QWEN, Map.of("attention_bias", false, "head_dim", 128)));

    private static final Family PHI3 = new Family(
            "phi3",
            "hidden_act",
            SILU,
            WindowRule.EVERY_LAYER,
            true,
            (traits, config) -> traits.fusedProjections(),
            Map.ofEntries(
                    Map.entry("vocab_size", 32064),
                    Map.entry("hidden_size", 3072),
                    Map.entry("intermediate_size", 8192),
                    Map.entry("num_hidden_layers", 32),
                    Map.entry("num_attention_heads", 32),
                    Map.entry("hidden_act", "silu"),
                    Map.entry("max_position_embeddings", 4096),
                    Map.entry(RopeParser.ORIGINAL, 4096),
                    Map.entry("rms_norm_eps", 1e-5),
                    Map.entry("bos_token_id", 1),
                    Map.entry("eos_token_id", 32000),
                    Map.entry("pad_token_id", 32000),
                    Map.entry("tie_word_embeddings", false),
                    Map.entry("rope_theta", 10000.0)));

    private static final Family GEMMA = new Family(
            "gemma",
            "hidden_act",
            GELU_TANH,
            WindowRule.NONE,
            false,
            (traits, config) -> gemma(traits),
            Map.ofEntries(
                    Map.entry("vocab_size", 256000),
                    Map.entry("hidden_size", 3072),
                    Map.entry("intermediate_size", 24576),
                    Map.entry("num_hidden_layers", 28),
                    Map.entry("num_attention_heads", 16),
                    Map.entry("num_key_value_heads", 16),
                    Map.entry("head_dim", 256),
                    Map.entry("hidden_act", "gelu_pytorch_tanh"),
                    Map.entry("max_position_embeddings", 8192),
                    Map.entry("rms_norm_eps", 1e-6),
                    Map.entry("pad_token_id", 0),
                    Map.entry("eos_token_id", 1),
                    Map.entry("bos_token_id", 2),
                    Map.entry("tie_word_embeddings", true),
                    Map.entry("rope_theta", 10000.0),
                    Map.entry("attention_bias", false)));

    private static final Family GEMMA2 = new Family(
            "gemma2",
            "hidden_activation",
            Map.of("gelu_pytorch_tanh", "gelu_pytorch_tanh"),
            WindowRule.ALTERNATE_LAYERS,
            false,
            (traits, config) -> gemma(traits)
                    .outputNorms()
                    .queryPreAttnScalar(config.positive("query_pre_attn_scalar"))
                    .softcapping(cap(config, "attn_logit_softcapping"), cap(config, "final_logit_softcapping")),
            Map.ofEntries(
                    Map.entry("vocab_size", 256000),
                    Map.entry("hidden_size", 2304),
                    Map.entry("intermediate_size", 9216),
                    Map.entry("num_hidden_layers", 26),
                    Map.entry("num_attention_heads", 8),
                    Map.entry("num_key_value_heads", 4),
                    Map.entry("head_dim", 256),
                    Map.entry("hidden_activation", "gelu_pytorch_tanh"),
                    Map.entry("max_position_embeddings", 8192),
                    Map.entry("rms_norm_eps", 1e-6),
                    Map.entry("pad_token_id", 0),
                    Map.entry("eos_token_id", 1),
                    Map.entry("bos_token_id", 2),
                    Map.entry("tie_word_embeddings", true),
                    Map.entry("query_pre_attn_scalar", 256),
                    Map.entry("sliding_window", 4096),
                    Map.entry("final_logit_softcapping", 30.0),
                    Map.entry("attn_logit_softcapping", 50.0),
                    Map.entry("rope_theta", 10000.0),
                    Map.entry("attention_bias", false)));

    private static final Map<String, Family> ALL = Stream.of(LLAMA, MISTRAL, QWEN2, QWEN3, PHI3, GEMMA, GEMMA2)
            .collect(Collectors.toMap(Family::modelType, Function.identity(), (a, b) -> a, TreeMap::new));

    private Families() {}

    private static Map<String, Object> and(Map<String, Object> defaults, Map<String, Object> more) {
        Map<String, Object> all = new HashMap<>(defaults);
        all.putAll(more);
        return Map.copyOf(all);
    }

    private static DecoderTraits.Builder gemma(DecoderTraits.Builder traits) {
        return traits.normWeightOffset(1f).scaledEmbeddings();
    }

    private static double cap(JsonFields config, String key) {
        return config.has(key) ? config.positive(key) : 0;
    }

    /** The family of that {@code model_type}, or null. */
    static Family of(String modelType) {
        return ALL.get(modelType);
    }

    /** All model types, in alphabetical order. */
    static Set<String> names() {
        return ALL.keySet();
    }
}
