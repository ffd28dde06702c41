// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.AttentionCall;
import io.sparkqlora.train.internal.model.ModelForward;
import java.util.ArrayList;
import java.util.List;

/**
 * Keys and values of every token so far, a pair of matrices [rows, keyValueDim] for each decoder layer.
 *
 * @param keys turned by the rotary embedding
 */
record KeyValueCache(List<Tensor> keys, List<Tensor> values) {

    /** Takes the matrices, their contents undefined. */
    static KeyValueCache take(Pass pass, ModelConfig config, long rows) {
        List<Tensor> keys = new ArrayList<>();
        List<Tensor> values = new ArrayList<>();
        for (int layer = 0; layer < config.numHiddenLayers(); layer++) {
            keys.add(pass.matrix(rows, config.keyValueDim()));
            values.add(pass.matrix(rows, config.keyValueDim()));
        }
        return new KeyValueCache(keys, values);
    }

    /**
     * Attention that first stores the keys and values of the tokens that are fed.
     *
     * @param rows I32 vector, where in the cache each token's go
     */
    AttentionCall over(Pass pass, Tensor rows, Attention.Sequences sequences, ModelConfig config) {
        return (layer, q, k, v, out, logSumExp) -> {
            pass.ops().rowSelect().scatter(k, rows, keys.get(layer));
            pass.ops().rowSelect().scatter(v, rows, values.get(layer));
            Attention.Settings settings = ModelForward.attentionSettings(config, layer);
            pass.ops().attention().forward(q, keys.get(layer), values.get(layer), sequences, settings, out, logSumExp);
        };
    }
}
