// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/** Dequantises the whole weight, then multiplies. What that costs is little beside a product of many rows. */
public record DenseQuantizedLinear(Quantization quantization, Matmul matmul, LoraLinear loraLinear)
        implements QuantizedLinear {

    @Override
    public void forward(
            Tensor x,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            Tensor y) {
        dequantize(weight, scratch);
        if (t == null) {
            matmul.linear(x, scratch, y);
        } else {
            loraLinear.forward(x, scratch, t, updates, y);
        }
    }

    @Override
    public void backward(
            Tensor dy,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx) {
        dequantize(weight, scratch);
        if (t == null) {
            matmul.multiply(dy, false, scratch, false, 1f, 0f, dx);
        } else {
            loraLinear.backward(dy, scratch, t, updates, scaling, a, dx);
        }
    }

    private void dequantize(List<QuantizedMatrix> weight, Tensor scratch) {
        quantization.dequantize(weight, scratch.colRange(0, weight.get(0).cols()));
    }
}
