// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.PairChecks;

/** Kernels in preference_loss.cu: a block a pair, then one that adds the pairs up. */
final class CudaPreferenceLoss implements PreferenceLoss {

    private static final String FILE = "preference_loss";
    private static final int THREADS = 256;
    private static final int WARP = 32;

    private final Launcher launcher;
    private final CudaKernel dpo;
    private final CudaKernel addPairs;

    CudaPreferenceLoss(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.dpo = library.kernel(FILE, "dpo");
        this.addPairs = library.kernel(FILE, "add_pairs");
    }

    @Override
    public void dpo(
            Tensor policy,
            Tensor reference,
            Tensor starts,
            Dpo settings,
            float gradientScale,
            Tensor gradients,
            Tensor numbers,
            Tensor sums) {
        int pairs = PairChecks.pairs(policy, reference, starts, gradients, numbers, sums);
        launcher.of(dpo)
                .moves(policy, reference, gradients)
                .address(policy)
                .address(reference)
                .address(starts)
                // C's doubles have the bits of Java's
                .number(Double.doubleToRawLongBits(settings.beta()))
                .number(Double.doubleToRawLongBits(settings.labelSmoothing()))
                .number(gradientScale)
                .address(gradients)
                .address(numbers)
                .over(pairs, 1, 1, THREADS);
        launcher.of(addPairs).address(numbers).number(pairs).address(sums).over(1, 1, 1, WARP);
    }
}
