// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Sgd;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** The kernel in sgd.cu. */
final class CudaSgd implements Sgd {

    private final Launcher launcher;
    private final CudaKernel kernel;

    CudaSgd(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.kernel = library.kernel("sgd", "sgd");
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor normAndScale, Tensor factors) {
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, FACTORS);
        launcher.of(kernel)
                .moves(parameter, parameter, gradient)
                .address(parameter)
                .address(gradient)
                .address(normAndScale)
                .address(factors)
                .number(parameter.size())
                .overItems(parameter.size(), 1);
    }
}
