// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A weight [rows, cols] in a 4-bit block format, laid out as bitsandbytes serialises it.
 *
 * @param format type, block size, double quantisation
 * @param rows out_features
 * @param cols in_features
 * @param packed U8 [1, ceil(rows · cols / 2)]: two elements a byte in row-major order, the first in the high half
 * @param absmax the blocks' scales: F32 without, U8 with double quantisation
 * @param nestedAbsmax F32 [1, nested blocks], or null without double quantisation
 * @param nestedOffset F32 [1, 1], the mean of the scales, or null without double quantisation
 */
public record QuantizedMatrix(
        QuantFormat format,
        long rows,
        long cols,
        Tensor packed,
        Tensor absmax,
        Tensor nestedAbsmax,
        Tensor nestedOffset) {

    /** Elements. */
    public long size() {
        return rows * cols;
    }
}
