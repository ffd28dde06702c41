// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * {@link LoraLinear} of weights in a 4-bit block format, with or without updates. A backend may dequantise the whole weight
 * first, into {@code scratch}, or parts of it while it multiplies, and then leaves {@code scratch} alone.
 */
public interface QuantizedLinear {

    /**
     * {@code y = x·Wᵀ + t·Bᵀ}.
     *
     * @param x [rows, in + width], where {@code width} is the columns of {@code t}
     * @param weight one under the other [out, in]
     * @param scratch [out, in + width] of x's type, overwritten
     * @param t [rows, width], or null without updates
     * @param updates of the layers; none without {@code t}
     * @param y [rows, out]
     */
    void forward(
            Tensor x,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            Tensor y);

    /**
     * {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t} for each update, and {@code dx = dy·W + dt·A}.
     *
     * @param a [width, in] of each adapter, or null to leave the low-rank part out of {@code dx}
     * @param dx [rows, in + width]: the input's gradient, then {@code dt}
     */
    void backward(
            Tensor dy,
            List<QuantizedMatrix> weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx);
}
