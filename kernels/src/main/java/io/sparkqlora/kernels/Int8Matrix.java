// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A weight in LLM.int8's format, laid out as bitsandbytes serialises it: {@link VectorwiseInt8} makes it.
 *
 * @param codes I8 [out, in], contiguous
 * @param absmax F32 [1, out], the scales of its rows
 */
public record Int8Matrix(Tensor codes, Tensor absmax) {

    /** Rows: out_features. */
    public long rows() {
        return codes.rows();
    }

    /** Columns: in_features. */
    public long cols() {
        return codes.cols();
    }

    /** Some of its rows, from {@code from} (inclusive) to {@code to} (exclusive). */
    public Int8Matrix rowRange(long from, long to) {
        return new Int8Matrix(codes.rowRange(from, to), absmax.colRange(from, to));
    }
}
