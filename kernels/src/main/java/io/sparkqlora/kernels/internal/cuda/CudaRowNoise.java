// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RowNoise;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in row_noise.cu, with the numbers of the CPU. */
final class CudaRowNoise implements RowNoise {

    private final Launcher launcher;
    private final Variants kernels;

    CudaRowNoise(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernels = Variants.of(library, "row_noise", "row_noise");
    }

    @Override
    public void add(Tensor x, Tensor bounds, long seed, Tensor streamBase, long stream) {
        Checks.floating(x);
        Checks.vector(bounds, DType.F32, x.rows());
        Checks.vector(streamBase, DType.I64, 1);
        Rectangle walk = Rectangle.byRow(x);
        launcher.of(kernels.of(walk, x))
                .moves(x, x)
                .matrix(x)
                .address(bounds)
                .number(walk.rows())
                .number(walk.cols())
                .number(seed)
                .address(streamBase)
                .number(stream);
        walk.launch(launcher);
    }
}
