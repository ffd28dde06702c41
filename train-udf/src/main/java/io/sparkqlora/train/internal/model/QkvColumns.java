// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;

/**
 * The parts of a matrix of queries, keys and values side by side.
 *
 * @param turned queries and keys, which the rotary embedding turns alike
 */
record QkvColumns(Tensor q, Tensor k, Tensor v, Tensor turned) {

    static QkvColumns of(Tensor qkv, ModelConfig config) {
        long q = config.queryDim();
        long kv = config.keyValueDim();
        return new QkvColumns(
                qkv.colRange(0, q), qkv.colRange(q, q + kv), qkv.colRange(q + kv, q + 2 * kv), qkv.colRange(0, q + kv));
    }
}
