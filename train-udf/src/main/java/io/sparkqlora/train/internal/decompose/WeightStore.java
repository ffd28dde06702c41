// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.decompose;

import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;

/** How a base holds a weight. */
public interface WeightStore {

    /** Has it hold a contiguous matrix of a floating-point type. */
    void store(Tensor weight);

    /** Writes what it holds as F32. */
    void restore(Tensor weight);

    /** In 4 bits. */
    static WeightStore of(Operations ops, QuantizedMatrix target) {
        return new WeightStore() {
            @Override
            public void store(Tensor weight) {
                ops.quantization().quantize(weight, target);
            }

            @Override
            public void restore(Tensor weight) {
                ops.quantization().dequantize(target, weight);
            }
        };
    }

    /** In 8 bits. */
    static WeightStore of(Operations ops, Int8Matrix target) {
        return new WeightStore() {
            @Override
            public void store(Tensor weight) {
                ops.vectorwiseInt8().quantize(weight, target.codes(), target.absmax());
            }

            @Override
            public void restore(Tensor weight) {
                ops.vectorwiseInt8().dequantize(target.codes(), target.absmax(), weight);
            }
        };
    }

    /** As numbers of a type. */
    static WeightStore of(Operations ops, Tensor target) {
        return new WeightStore() {
            @Override
            public void store(Tensor weight) {
                ops.elementwise().cast(weight, target);
            }

            @Override
            public void restore(Tensor weight) {
                ops.elementwise().cast(target, weight);
            }
        };
    }
}
