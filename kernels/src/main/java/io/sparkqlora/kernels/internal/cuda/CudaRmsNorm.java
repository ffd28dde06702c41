// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RmsNorm;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.stream.Stream;

/** Kernels in rms_norm.cu: a block a row. */
final class CudaRmsNorm implements RmsNorm {

    private static final int MAX_THREADS = 512;
    private static final int WARP = 32;
    private static final int KEPT = 2; // groups of elements that a thread keeps in registers

    private final Launcher launcher;
    private final Variants forward;
    private final Variants backward;
    private final Variants packedForward;
    private final Variants packedBackward;

    CudaRmsNorm(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.forward = Variants.of(library, "rms_norm", "rms_norm_forward");
        this.backward = Variants.of(library, "rms_norm", "rms_norm_backward");
        this.packedForward = packed(library, "rms_norm_forward");
        this.packedBackward = packed(library, "rms_norm_backward");
    }

    /** Where all is of one type of 16 bits and wide, a row is held as it lies. */
    private static Variants packed(CudaKernel.Library library, String name) {
        return Variants.of(library, "rms_norm", name + "_packed", name + "_1");
    }

    @Override
    public void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        forward(x, null, null, weight, weightOffset, eps, y, rstd);
    }

    @Override
    public void addForward(
            Tensor x, Tensor addTo, Tensor sum, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        forward(x, addTo, sum, weight, weightOffset, eps, y, rstd);
    }

    private void forward(
            Tensor x, Tensor addTo, Tensor sum, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        Tensor[] all = addTo == null ? new Tensor[] {x, y} : new Tensor[] {x, y, addTo, sum};
        Checks.alike(x, all);
        check(x, weight, rstd);
        Rectangle walk = Rectangle.byRow(x, y, weight, all[all.length - 2], all[all.length - 1]);
        launcher.of((packed(all) ? packedForward : forward).of(walk, y, all[all.length - 1]))
                .moves(all)
                .matrix(x)
                .matrix(addTo)
                .matrix(sum)
                .matrix(weight)
                .matrix(y)
                .address(rstd)
                .number(Math.toIntExact(x.cols()))
                .number(weightOffset)
                .number(eps);
        launcher.over(x.rows(), 1, 1, threads(walk));
    }

    @Override
    public void backward(
            Tensor dy, Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor addTo, Tensor dx, Tensor y) {
        Tensor residual = addTo == null ? dy : addTo;
        Tensor again = y == null ? dx : y;
        Checks.alike(x, dy, dx, residual, again);
        check(x, weight, rstd);
        Rectangle walk = Rectangle.byRow(x, dy, weight, dx, residual, again);
        launcher.of((packed(dy, x, dx, residual, again) ? packedBackward : backward).of(walk, dx, again))
                .moves(dx, dy, x, addTo, y)
                .matrix(dy)
                .matrix(x)
                .matrix(weight)
                .address(rstd)
                .matrix(addTo)
                .matrix(dx)
                .matrix(y)
                .number(Math.toIntExact(x.cols()))
                .number(weightOffset);
        launcher.over(x.rows(), 1, 1, threads(walk));
    }

    private static boolean packed(Tensor... tensors) {
        DType type = tensors[0].dtype();
        return type != DType.F32 && Stream.of(tensors).allMatch(tensor -> tensor.dtype() == type);
    }

    private static void check(Tensor x, Tensor weight, Tensor rstd) {
        Checks.floating(weight);
        Checks.shape(weight, 1, x.cols());
        Checks.vector(rstd, DType.F32, x.rows());
    }

    private static int threads(Rectangle walk) {
        long perWarp = (long) WARP * KEPT * walk.width();
        return (int) Math.min(MAX_THREADS, Math.max(1, (walk.cols() + perWarp - 1) / perWarp) * WARP);
    }
}
