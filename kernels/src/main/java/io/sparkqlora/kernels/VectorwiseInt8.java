// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * LLM.int8's weights: 8-bit integers with one scale a row, bit for bit as bitsandbytes 0.50 makes them
 * ({@code int8_vectorwise_quant}, {@code int8_vectorwise_dequant}; Dettmers et al., LLM.int8(), 2022, section 2.1).
 */
public interface VectorwiseInt8 {

    /**
     * {@code absmax[r] = max |x[r, :]|} and {@code codes = round(x · ((1 / absmax[r]) · 127))}, halves to even, each step rounded to
     * F32. As bitsandbytes does, x is {@code source} rounded to F16 first. A row of zeros has codes and scale 0.
     *
     * @param source [rows, cols], F32, BF16 or F16, any row stride
     * @param codes I8 [rows, cols], contiguous; what bitsandbytes serialises as {@code weight}
     * @param absmax F32 [1, rows]; what it serialises as {@code SCB}
     * @throws QLoraException INPUT where an element is not finite, or too large for F16
     */
    void quantize(Tensor source, Tensor codes, Tensor absmax);

    /**
     * {@code out = (codes · absmax[r]) · (1/127)}, each product rounded to F32, the last one to {@code out}'s type.
     *
     * @param codes I8 [rows, cols], contiguous
     * @param absmax F32 [1, rows]
     * @param out [rows, cols], F32, BF16 or F16, any row stride
     */
    void dequantize(Tensor codes, Tensor absmax, Tensor out);
}
