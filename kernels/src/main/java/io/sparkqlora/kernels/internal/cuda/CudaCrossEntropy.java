// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.CrossEntropy;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in cross_entropy.cu: a block a row. A label outside the vocabulary stops the kernel, which the next wait reports. */
final class CudaCrossEntropy implements CrossEntropy {

    /** One row a multiprocessor, so that what was read once is still in L2 when the gradient needs it. */
    private static final int THREADS = 1024;

    private final Launcher launcher;
    private final Variants kernels;

    CudaCrossEntropy(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernels = Variants.of(library, "cross_entropy", "cross_entropy");
    }

    @Override
    public void forward(Tensor logits, Tensor labels, float softCap, Tensor losses) {
        run(logits, labels, softCap, 0f, 0f, null, losses, false);
    }

    @Override
    public void forwardBackward(
            Tensor logits,
            Tensor labels,
            float softCap,
            float labelSmoothing,
            float gradientScale,
            Tensor rowScales,
            Tensor losses) {
        run(logits, labels, softCap, labelSmoothing, gradientScale, rowScales, losses, true);
    }

    private void run(
            Tensor logits,
            Tensor labels,
            float softCap,
            float labelSmoothing,
            float gradientScale,
            Tensor rowScales,
            Tensor losses,
            boolean withGradient) {
        Checks.floating(logits);
        Checks.vector(labels, DType.I32, logits.rows());
        Checks.vector(losses, DType.F32, logits.rows());
        if (rowScales != null) {
            Checks.vector(rowScales, DType.F32, logits.rows());
        }
        launcher.of(kernels.of(Rectangle.byRow(logits), logits))
                .moves(logits, withGradient ? logits : null)
                .matrix(logits)
                .address(labels)
                .address(rowScales == null ? 0 : rowScales.address())
                .address(losses)
                .number(Math.toIntExact(logits.cols()))
                .number(softCap)
                .number(labelSmoothing)
                .number(gradientScale)
                .flag(withGradient);
        launcher.over(logits.rows(), 1, 1, THREADS);
    }
}
