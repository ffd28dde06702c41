// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.train.ModelConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tensors that a checkpoint of a configuration must hold: names as transformers saves them, and shapes. */
public final class ModelTensors {

    /** The token embedding [vocabulary, hidden]. */
    public static final String EMBEDDING = "model.embed_tokens.weight";

    /** The output projection [vocabulary, hidden], where it is not tied to the embedding. */
    public static final String OUTPUT = "lm_head.weight";

    private ModelTensors() {}

    /** Shapes by name, in the order of a forward pass. */
    public static Map<String, List<Long>> of(ModelConfig config) {
        Map<String, List<Long>> tensors = new LinkedHashMap<>();
        long hidden = config.hiddenSize();
        tensors.put(EMBEDDING, List.of((long) config.vocabSize(), hidden));
        for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
            addLayer(tensors, config, "model.layers." + layer + ".");
        }
        tensors.put("model.norm.weight", List.of(hidden));
        if (!config.tieWordEmbeddings()) {
            tensors.put(OUTPUT, List.of((long) config.vocabSize(), hidden));
        }
        return tensors;
    }

    private static void addLayer(Map<String, List<Long>> tensors, ModelConfig config, String layer) {
        long hidden = config.hiddenSize();
        long inner = config.intermediateSize();
        long queries = config.queryDim();
        long keys = config.keyValueDim();
        tensors.put(layer + "input_layernorm.weight", List.of(hidden));
        tensors.put(layer + "self_attn.q_proj.weight", List.of(queries, hidden));
        tensors.put(layer + "self_attn.k_proj.weight", List.of(keys, hidden));
        tensors.put(layer + "self_attn.v_proj.weight", List.of(keys, hidden));
        tensors.put(layer + "self_attn.o_proj.weight", List.of(hidden, queries));
        tensors.put(layer + "post_attention_layernorm.weight", List.of(hidden));
        tensors.put(layer + "mlp.gate_proj.weight", List.of(inner, hidden));
        tensors.put(layer + "mlp.up_proj.weight", List.of(inner, hidden));
        tensors.put(layer + "mlp.down_proj.weight", List.of(hidden, inner));
    }
}
