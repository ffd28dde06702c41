// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** bitsandbytes' 4-bit block formats, bit for bit (Dettmers et al., QLoRA, 2023). */
public interface Quantization {

    /** Fills the tensors of {@code out} from a contiguous {@code source} [rows, cols], F32, BF16 or F16. */
    void quantize(Tensor source, QuantizedMatrix out);

    /**
     * {@code out = level[code] · absmax[block]}, the product in F32, rounded to {@code out}'s type (F32 or BF16).
     *
     * @param out [rows, cols], any row stride
     */
    void dequantize(QuantizedMatrix source, Tensor out);
}
