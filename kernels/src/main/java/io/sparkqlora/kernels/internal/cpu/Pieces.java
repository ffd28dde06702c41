// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;

/**
 * How much of a weight a {@link ColumnPanel} dequantises and multiplies at once: it, the gradient's columns that it meets and the sums fit a
 * second-level cache. Sums are F32, and adding to them costs something, so a weight of few rows stays whole.
 *
 * @param depth rows
 * @param cols columns
 */
record Pieces(long depth, long cols) {

    private static final Pieces OF_VECTORS = new Pieces(512, 256);
    private static final long DEEP_FOR_VECTORS = 4096;
    /** At the speed of matrix units adding to the sums counts, which is less of wide pieces. */
    private static final Pieces OF_MATRIX_UNITS = new Pieces(320, 512);

    private static final long DEEP_FOR_MATRIX_UNITS = 2048;

    /** @param inner rows of the weight */
    static Pieces of(DType dtype, long inner, boolean matrixUnits) {
        if (dtype != DType.BF16 || inner < (matrixUnits ? DEEP_FOR_MATRIX_UNITS : DEEP_FOR_VECTORS)) {
            return new Pieces(inner, OF_VECTORS.cols);
        }
        return matrixUnits ? OF_MATRIX_UNITS : OF_VECTORS;
    }
}
