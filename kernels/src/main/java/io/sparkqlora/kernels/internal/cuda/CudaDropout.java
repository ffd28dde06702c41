// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.DropRate;

/** Kernels in dropout.cu, with the mask of the CPU. */
final class CudaDropout implements Dropout {

    private static final int PER_CALL = 8; // elements whose bits come from one call of the generator

    private final Launcher launcher;
    private final Variants kernels;

    CudaDropout(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernels = Variants.of(library, "dropout", "dropout");
    }

    /** A rate's threshold, for the two elements of a word. */
    static int thresholds(DropRate rate) {
        return rate.threshold() << 16 | rate.threshold();
    }

    @Override
    public void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, long firstRow, Tensor out) {
        Checks.vector(streamBase, DType.I64, 1);
        DropRate rate = DropRate.of(p);
        Checks.alike(x, out);
        long first = firstRow * x.cols();
        Rectangle whole = Rectangle.of(x, out);
        Rectangle walk = first % PER_CALL == 0 ? whole : whole.narrow();
        launcher.of(kernels.of(walk, out))
                .moves(out, x)
                .matrix(x)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(thresholds(rate))
                .number(rate.factor())
                .number(seed)
                .address(streamBase)
                .number(stream)
                .number(first);
        walk.launch(launcher);
    }
}
