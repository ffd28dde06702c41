// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Kernels in gated_activation.cu. */
final class CudaGatedActivation implements GatedActivation {

    private final Launcher launcher;
    private final Variants forward;
    private final Variants backward;

    CudaGatedActivation(Launcher launcher, CudaKernel.Library library) {
        this.launcher = launcher;
        this.forward = Variants.of(library, "gated_activation", "gated_forward");
        this.backward = Variants.of(library, "gated_activation", "gated_backward");
    }

    private static int number(Kind kind) {
        return switch (kind) {
            case SILU -> 0;
            case GELU_TANH -> 1;
        };
    }

    @Override
    public void forward(Tensor gate, Tensor up, Kind kind, Tensor out) {
        Checks.alike(out, gate, up);
        Rectangle walk = Rectangle.of(out, gate, up);
        launcher.of(forward.of(walk, out))
                .moves(out, gate, up)
                .matrix(gate)
                .matrix(up)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(number(kind));
        walk.launch(launcher);
    }

    @Override
    public void backward(Tensor dOut, Tensor gate, Tensor up, Kind kind, Tensor dGate, Tensor dUp, Tensor out) {
        Tensor written = out == null ? dOut : out;
        Checks.alike(dOut, gate, up, dGate, dUp, written);
        Rectangle walk = Rectangle.of(dOut, gate, up, dGate, dUp, written);
        launcher.of(backward.of(walk, dGate, dUp, out == null ? dGate : out))
                .moves(dOut, gate, up, dGate, dUp, out)
                .matrix(dOut)
                .matrix(gate)
                .matrix(up)
                .matrix(dGate)
                .matrix(dUp)
                .matrix(out)
                .number(walk.rows())
                .number(walk.cols())
                .number(number(kind));
        walk.launch(launcher);
    }
}
