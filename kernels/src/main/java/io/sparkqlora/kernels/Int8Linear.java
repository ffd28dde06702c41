// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * {@link LoraLinear} of weights in 8 bits, as bitsandbytes 0.50 multiplies (its {@code MatMul8bitLt}; Dettmers et al., LLM.int8(),
 * 2022): an input's columns with outliers in 16 bits, all others in 8 bits, row by row of both operands. The gradient of the
 * input goes through the dequantised weight.
 *
 * <p>One outlier makes its column one of outliers for all rows of the call. What else is in a call so has a part in the rounding of
 * a row; for the same call it is the same to the bit.
 */
public interface Int8Linear {

    /**
     * With h(x) being x rounded to F16: columns where some {@code |h(x)| ≥ threshold} are those of outliers; {@code absmax[r]} is the
     * largest {@code |h(x[r, :])|} below the threshold, and {@code codes = round(h(x) · ((1 / absmax[r]) · 127))}, halves to even, each step rounded to F32. A
     * row without anything below the threshold but zeros has codes and scale 0; not-a-numbers make a row's scale one.
     *
     * @param x [rows, in], F32, BF16 or F16, any row stride
     * @param threshold 0 for no outliers
     */
    void quantize(Tensor x, float threshold, Int8Input out);

    /**
     * {@code y = x·Wᵀ + t·Bᵀ}. In F32: the exact product of the codes times {@code absmax[row] · absmax[out]} times 6.200124e-5, which is
     * what bitsandbytes has for 1/127² on a CPU (too much by 2e-5 of itself; a step of 8 bits is 8e-3), and for each column of
     * outliers {@code x} times the dequantised weight rounded to x's type, added in an order that depends on the shapes and their
     * number alone; rounded to y's type, and again where {@code t·Bᵀ} is added.
     *
     * @param x [rows, in]
     * @param input what {@link #quantize} made of it
     * @param weight [out, in]
     * @param t [rows, width], or null without updates
     * @param updates of layers that are rows of the weight; none without {@code t}
     * @param y [rows, out], of x's type
     */
    void forward(Tensor x, Int8Input input, Int8Matrix weight, Tensor t, List<LoraLinear.Update> updates, Tensor y);

    /**
     * {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t} for each update, and {@code dx = dy·W + dt·A}, W being dequantised in dy's type.
     *
     * @param scratch [out, in + width] of dy's type, overwritten
     * @param a [width, in] of each adapter, or null to leave the low-rank part out of {@code dx}
     * @param dx [rows, in + width]: the input's gradient, then {@code dt}
     */
    void backward(
            Tensor dy,
            Int8Matrix weight,
            Tensor scratch,
            Tensor t,
            List<LoraLinear.Update> updates,
            float scaling,
            TensorStack a,
            Tensor dx);
}
