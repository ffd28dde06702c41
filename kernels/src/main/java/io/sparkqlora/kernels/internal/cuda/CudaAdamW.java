// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

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
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Settings settings) {
        boolean aligned = parameter.size() % WIDE == 0;
        for (Tensor tensor : new Tensor[] {parameter, gradient, m, v}) {
            Checks.vector(tensor, DType.F32, parameter.size());
            aligned &= tensor.address() % 16 == 0;
        }
        Checks.vector(normAndScale, DType.F32, 2);
        if (settings.step() < 1) {
            throw new IllegalArgumentException("steps are counted from 1, not " + settings.step());
        }
        launcher.of(aligned ? wide : narrow)
                .moves(parameter, parameter, gradient, m, m, v, v)
                .address(parameter)
                .address(gradient)
                .address(m)
                .address(v)
                .address(normAndScale)
                .number(parameter.size());
        factors(settings);
        launcher.overItems(parameter.size(), aligned ? WIDE : 1);
    }

    /** The scalars of one step, in F64 and rounded as PyTorch rounds them before they meet a tensor. */
    private void factors(Settings s) {
        double correction1 = 1 - StrictMath.pow(s.beta1(), s.step());
        double correction2 = 1 - StrictMath.pow(s.beta2(), s.step());
        launcher.structure()
                .number((float) (1 - s.learningRate() * s.weightDecay()))
                .number((float) (1 - s.beta1()))
                .number((float) s.beta2())
                .number((float) (1 - s.beta2()))
                .number((float) Math.sqrt(correction2))
                .number((float) s.eps())
                .number((float) (-s.learningRate() / correction1))
                .end();
    }
}
