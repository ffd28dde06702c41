// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * bitsandbytes' 4-bit block formats, bit for bit (Dettmers et al., QLoRA, 2023): what version 0.50 computes on a CPU, with
 * PyTorch on one thread. (With more threads PyTorch rounds the mean of 32,768 and more scales in another way.)
 */
public interface Quantization {

    /**
     * Fills the tensors of {@code out} from a contiguous {@code source} [rows, cols], F32, BF16 or F16.
     *
     * @throws QLoraException INPUT where an element is not finite
     */
    void quantize(Tensor source, QuantizedMatrix out);

    /**
     * {@code out = level[code] · scale}, the product in F32, rounded to {@code out}'s type (F32, BF16 or F16). The scale is
     * {@code absmax}, or with double quantisation {@code map[absmax] · nestedAbsmax + nestedOffset} with
     * {@link DynamicMap#signed()}, rounded after each step, that of block {@code (row · cols + col) / blockSize}. (bitsandbytes
     * 0.50 with AVX-512 reads another block's where rows are no whole number of blocks; its CUDA kernels don't.)
     *
     * @param out [rows, cols], any row stride
     */
    void dequantize(QuantizedMatrix source, Tensor out);

    /**
     * The same of matrices one under the other.
     *
     * @param out [all rows, cols], any row stride
     */
    default void dequantize(List<QuantizedMatrix> sources, Tensor out) {
        long from = 0;
        for (QuantizedMatrix source : sources) {
            dequantize(source, out.rowRange(from, from + source.rows()));
            from += source.rows();
        }
    }
}
