// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in dropout.cu, with the mask of the CPU. */
final class CudaDropout implements Dropout {

    private final Launcher launcher;
    private final Variants kernels;

    CudaDropout(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernels = Variants.of(library, "dropout", "dropout");
    }

    @Override
    public void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, Tensor out) {
        Checks.vector(streamBase, DType.I64, 1);
        if (!(p >= 0f && p < 1f)) {
            throw new IllegalArgumentException("the probability of dropping must be in [0, 1), not " + p);
        }
        Checks.alike(x, out);
        Rectangle walk = Rectangle.of(x, out);
        launcher.of(kernels.of(walk))
                .moves(out, x)
                .matrix(x)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number((int) (long) (p * 0x1p32))
                .number(1f / (1f - p))
                .number(seed)
                .address(streamBase)
                .number(stream);
        walk.launch(launcher);
    }
}
