// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** The kernel for 32 bits in lion.cu. */
final class CudaLion implements Lion {

    private final Launcher launcher;
    private final CudaKernel kernel;

    CudaLion(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernel = library.kernel("lion", "lion_32bit");
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor normAndScale, Tensor factors) {
        for (Tensor tensor : new Tensor[] {parameter, gradient, m}) {
            Checks.vector(tensor, DType.F32, parameter.size());
        }
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, FACTORS);
        launcher.of(kernel)
                .moves(parameter, parameter, gradient, m, m)
                .address(parameter)
                .address(gradient)
                .address(m)
                .address(normAndScale)
                .address(factors)
                .number(parameter.size())
                .overItems(parameter.size(), 1);
    }
}
