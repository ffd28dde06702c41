// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.HeadNorm;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in head_norm.cu: a warp a head. */
final class CudaHeadNorm implements HeadNorm {

    private static final int THREADS = 128;
    private static final int WARP = 32;

    private final Launcher launcher;
    private final Variants forward;
    private final Variants backward;

    CudaHeadNorm(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.forward = Variants.of(library, "head_norm", "head_norm_forward");
        this.backward = Variants.of(library, "head_norm", "head_norm_backward");
    }

    @Override
    public void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y) {
        Checks.heads(weight, x, y);
        launcher.of(forward.of(Rectangle.byRow(weight, x, y), y))
                .moves(x, y)
                .matrix(x)
                .matrix(weight)
                .matrix(y);
        launch(x, weight, weightOffset, eps);
    }

    @Override
    public void backward(Tensor dy, Tensor x, Tensor weight, float weightOffset, float eps, Tensor dx) {
        Checks.heads(weight, x, dy, dx);
        launcher.of(backward.of(Rectangle.byRow(weight, x, dy, dx), dx))
                .moves(x, dy, dx)
                .matrix(dy)
                .matrix(x)
                .matrix(weight)
                .matrix(dx);
        launch(x, weight, weightOffset, eps);
    }

    private void launch(Tensor x, Tensor weight, float weightOffset, float eps) {
        long heads = x.cols() / weight.cols();
        long perBlock = THREADS / WARP;
        launcher.number(x.rows())
                .number(Math.toIntExact(heads))
                .number(Math.toIntExact(weight.cols()))
                .number(weightOffset)
                .number(eps)
                .over((x.rows() * heads + perBlock - 1) / perBlock, 1, 1, THREADS);
    }
}
