// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Rope;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in rope.cu: a block a token. */
final class CudaRope implements Rope {

    private static final int MAX_THREADS = 256;
    private static final int WARP = 32;

    private final Launcher launcher;
    private final Variants kernels;

    CudaRope(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernels = Variants.of(library, "rope", "rope");
    }

    @Override
    public void apply(Tensor x, Tensor positions, Tensor cos, Tensor sin, int headDim, boolean inverse) {
        Checks.floating(x);
        Checks.vector(positions, DType.I32, x.rows());
        Checks.alike(cos, sin);
        if (headDim < 1 || x.cols() % headDim != 0 || 2 * cos.cols() > headDim) {
            throw new IllegalArgumentException(
                    "rows of " + x.cols() + " are no heads of " + headDim + " of which " + 2 * cos.cols() + " turn");
        }
        int half = Math.toIntExact(cos.cols());
        int heads = Math.toIntExact(x.cols() / headDim);
        Rectangle rows = Rectangle.byRow(x, cos, sin);
        boolean wide = half % 8 == 0 && headDim % 8 == 0 && rows.width() > 1;
        long items = (long) heads * half / (wide ? 8 : 1);
        launcher.of(kernels.of(wide ? rows : rows.narrow(), x))
                .moves(x, x)
                .matrix(x)
                .address(positions)
                .matrix(cos)
                .matrix(sin)
                .number(x.rows())
                .number(heads)
                .number(headDim)
                .number(half)
                .number(cos.rows())
                .number(inverse ? -1f : 1f);
        launcher.over(x.rows(), 1, 1, (int) Math.min(MAX_THREADS, Math.max(1, (items + WARP - 1) / WARP) * WARP));
    }
}
