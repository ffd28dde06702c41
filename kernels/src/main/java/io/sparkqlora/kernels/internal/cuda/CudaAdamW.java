// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in adamw.cu. */
final class CudaAdamW implements AdamW {

    private static final int WIDE = 4;

    private final Launcher launcher;
    private final CudaKernel wide;
    private final CudaKernel narrow;

    CudaAdamW(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.wide = library.kernel("adamw", "adamw_4");
        this.narrow = library.kernel("adamw", "adamw_1");
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Tensor factors) {
        boolean aligned = parameter.size() % WIDE == 0;
        for (Tensor tensor : new Tensor[] {parameter, gradient, m, v}) {
            Checks.vector(tensor, DType.F32, parameter.size());
            aligned &= tensor.address() % 16 == 0;
        }
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, FACTORS);
        launcher.of(aligned ? wide : narrow)
                .moves(parameter, parameter, gradient, m, m, v, v)
                .address(parameter)
                .address(gradient)
                .address(m)
                .address(v)
                .address(normAndScale)
                .address(factors)
                .number(parameter.size())
                .overItems(parameter.size(), aligned ? WIDE : 1);
    }
}
