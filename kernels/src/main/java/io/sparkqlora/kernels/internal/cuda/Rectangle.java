// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;

/**
 * How a kernel walks matrices of one shape: where none has gaps between its rows they are one long row, and where everything
 * is aligned to 16 bytes a thread takes 8 elements at once.
 *
 * @param rows rows of the walk
 * @param cols elements of such a row
 * @param width elements that a thread takes at once: 8 or 1, always 1 where both BF16 and F16 are among the matrices
 * @param halves whether F16 is
 */
record Rectangle(long rows, long cols, int width, boolean halves) {

    static final int WIDE = 8;
    private static final int ALIGNMENT = 16;
    private static final int THREADS = 256;
    private static final long MAX_GRID_ROWS = 65535;

    /** For matrices of one shape, all of which are walked alike. */
    static Rectangle of(Tensor... matrices) {
        long size = matrices[0].size();
        boolean flat = size % WIDE == 0 && !mixed(matrices);
        for (Tensor matrix : matrices) {
            flat &= matrix.contiguous() && matrix.address() % ALIGNMENT == 0;
        }
        return flat ? new Rectangle(1, size, WIDE, has(DType.F16, matrices)) : byRow(matrices);
    }

    /** The same, a row staying a row; matrices may have other numbers of rows than the first. */
    static Rectangle byRow(Tensor... matrices) {
        Tensor first = matrices[0];
        boolean wide = first.cols() % WIDE == 0 && !mixed(matrices);
        for (Tensor matrix : matrices) {
            wide &= aligned(matrix);
        }
        return new Rectangle(first.rows(), first.cols(), wide ? WIDE : 1, has(DType.F16, matrices));
    }

    /** The same, an element at a time. */
    Rectangle narrow() {
        return new Rectangle(rows, cols, 1, halves);
    }

    private static boolean mixed(Tensor... matrices) {
        return has(DType.BF16, matrices) && has(DType.F16, matrices);
    }

    private static boolean has(DType type, Tensor... matrices) {
        return Arrays.stream(matrices).anyMatch(matrix -> matrix.dtype() == type);
    }

    /** Whether every row begins at a multiple of 16 bytes. */
    static boolean aligned(Tensor matrix) {
        return matrix.address() % ALIGNMENT == 0
                && (matrix.rows() <= 1 || matrix.rowStride() * matrix.dtype().bytes() % ALIGNMENT == 0);
    }

    /** Of two variants of a kernel the one for its width. */
    CudaKernel choose(CudaKernel wide, CudaKernel narrow) {
        return width == WIDE ? wide : narrow;
    }

    /** Launches the kernel that walks it. */
    void launch(Launcher launcher) {
        long perBlock = (long) THREADS * width;
        launcher.over((cols + perBlock - 1) / perBlock, Math.min(rows, MAX_GRID_ROWS), 1, THREADS);
    }
}
