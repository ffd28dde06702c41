// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.GradientClip;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in gradient_clip.cu. */
final class CudaGradientClip implements GradientClip {

    private static final String FILE = "gradient_clip";
    private static final int CHUNK = 8192; // elements of a partial sum
    private static final int THREADS = 256;

    private final Launcher launcher;
    private final Workspace workspace;
    private final CudaKernel partialSquares;
    private final CudaKernel partialSum;
    private final CudaKernel total;
    private final CudaKernel clip;

    CudaGradientClip(Launcher launcher, CudaKernel.Library library, Workspace workspace) {
        this.launcher = launcher;
        this.workspace = workspace;
        this.partialSquares = library.kernel(FILE, "partial_squares");
        this.partialSum = library.kernel(FILE, "partial_sum");
        this.total = library.kernel(FILE, "total");
        this.clip = library.kernel(FILE, "clip");
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor out) {
        reduce(x, out, partialSquares, false);
    }

    @Override
    public void addSum(Tensor x, Tensor out) {
        reduce(x, out, partialSum, true);
    }

    private void reduce(Tensor x, Tensor out, CudaKernel kernel, boolean add) {
        Checks.vector(x, DType.F32, x.size());
        Checks.vector(out, DType.F64, 1);
        if (x.address() % 16 != 0) {
            throw new IllegalArgumentException("sums are over tensors that begin at a multiple of 16 bytes");
        }
        long chunks = (x.size() + CHUNK - 1) / CHUNK;
        long partial = workspace.atLeast(chunks * Double.BYTES);
        launcher.of(kernel)
                .moves(x)
                .address(x)
                .number(x.size())
                .address(partial)
                .over(chunks, 1, 1, THREADS);
        launcher.of(total)
                .address(partial)
                .number(Math.toIntExact(chunks))
                .address(out)
                .flag(add)
                .over(1, 1, 1, THREADS);
    }

    @Override
    public void clip(Tensor sumOfSquares, float maxNorm, Tensor normAndScale) {
        Checks.vector(sumOfSquares, DType.F64, 1);
        Checks.vector(normAndScale, DType.F32, 2);
        launcher.of(clip)
                .address(sumOfSquares)
                .number(maxNorm)
                .address(normAndScale)
                .over(1, 1, 1, 1);
    }
}
