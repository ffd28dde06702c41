// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;

/** Where a layer's queries meet keys and values: those of the batch, or those of a cache as well. */
public interface AttentionCall {

    /**
     * Writes the attention's output.
     *
     * @param layer the decoder layer, from 0
     * @param q turned queries [tokens, queryDim]; k and v [tokens, keyValueDim] of the batch's own tokens
     * @param out [tokens, queryDim]
     * @param logSumExp F32 [heads, tokens], written
     */
    void attend(int layer, Tensor q, Tensor k, Tensor v, Tensor out, Tensor logSumExp);
}
