// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in column_sums.cu. */
final class CudaColumnSums {

    private static final int THREADS = 256;
    private static final int TILE_COLS = 64; // columns that a block adds up
    private static final int LEAST_ROWS = 512; // of a piece
    private static final int MOST_PIECES = 32;

    private final Launcher launcher;
    private final Workspace workspace;
    private final CudaKernel partial;
    private final CudaKernel total;

    CudaColumnSums(Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.launcher = launcher;
        this.workspace = workspace;
        this.partial = library.kernel("column_sums", "column_sums_partial");
        this.total = library.kernel("column_sums", "column_sums_total");
    }

    /**
     * Adds {@code Σ_i a[i, j] · b[i, j] / divisor[j]}.
     *
     * @param b or null for ones
     * @param divisor F32 vector, or null for ones
     */
    void add(Tensor a, Tensor b, Tensor divisor, Tensor out) {
        Checks.floating(a);
        Checks.vector(out, DType.F32, a.cols());
        long rows = Math.max(LEAST_ROWS, (a.rows() + MOST_PIECES - 1) / MOST_PIECES);
        long pieces = (a.rows() + rows - 1) / rows;
        if (pieces == 0) {
            return;
        }
        long sums = workspace.atLeast(pieces * a.cols() * Float.BYTES);
        launcher.of(partial)
                .moves(a, b)
                .matrix(a)
                .matrix(b)
                .number(a.rows())
                .number(a.cols())
                .number(rows)
                .address(sums)
                .over((a.cols() + TILE_COLS - 1) / TILE_COLS, pieces, 1, THREADS);
        launcher.of(total)
                .address(sums)
                .number(pieces)
                .number(a.cols())
                .address(divisor == null ? 0 : divisor.address())
                .address(out)
                .overItems(a.cols(), 1);
    }
}
