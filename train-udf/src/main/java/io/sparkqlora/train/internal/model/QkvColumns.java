// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;

/**
 * Queries, keys and values as columns of a matrix, or of two.
 *
 * @param turned queries and keys, which the rotary embedding turns alike
 */
record QkvColumns(Tensor q, Tensor k, Tensor v, Tensor turned) {

    /** Of one matrix, side by side. */
    static QkvColumns of(Tensor qkv, ModelConfig config) {
        long turned = (long) config.queryDim() + config.keyValueDim();
        return of(qkv.colRange(0, turned), qkv, config);
    }

    /** What attention reads. */
    static QkvColumns of(LayerActivations a, ModelConfig config) {
        return a.turned() == null ? of(a.qkv(), config) : of(a.turned(), a.qkv(), config);
    }

    private static QkvColumns of(Tensor turned, Tensor qkv, ModelConfig config) {
        long q = config.queryDim();
        long kv = config.keyValueDim();
        return new QkvColumns(
                turned.colRange(0, q), turned.colRange(q, q + kv), qkv.colRange(q + kv, q + 2 * kv), turned);
    }
}
