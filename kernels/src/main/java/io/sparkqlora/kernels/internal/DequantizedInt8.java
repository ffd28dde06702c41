// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.VectorwiseInt8;
import java.util.List;

/** What {@link io.sparkqlora.kernels.Int8Linear} does with whole dequantised weights, or without the weight. */
public record DequantizedInt8(VectorwiseInt8 format, Matmul matmul, LoraLinear loraLinear) {

    /** The low-rank part of forward, after the base's product; nothing without {@code t}. */
    public void addUpdates(Tensor t, List<LoraLinear.Update> updates, Tensor y) {
        if (t != null) {
            new LowRankProducts(matmul).add(t, updates, y);
        }
    }

    /** The backward pass. */
    public void backward(
            Tensor dy,
            Int8Matrix weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx) {
        format.dequantize(weight.codes(), weight.absmax(), scratch.colRange(0, weight.cols()));
        if (t == null) {
            matmul.multiply(dy, false, scratch, false, 1f, 0f, dx);
        } else {
            loraLinear.backward(dy, scratch, t, updates, scaling, a, dx);
        }
    }
}
