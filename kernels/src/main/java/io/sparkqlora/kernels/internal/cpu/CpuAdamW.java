// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** AdamW in the order of operations of {@code torch.optim.AdamW}'s single-tensor path, scalars in F64 and tensors in F32. */
final class CpuAdamW implements AdamW {

    // in long loops the API's own methods, which are inlined whatever the size of the loop
    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuAdamW(Workers workers) {
        this.workers = workers;
    }

    /** The scalars of one step, as PyTorch rounds them before they meet a tensor. */
    private record Factors(
            float decay,
            float beta1Rest,
            float beta2,
            float beta2Rest,
            float correction2Root,
            float eps,
            float stepSize) {

        static Factors of(Settings s) {
            // StrictMath, since Math.pow may round differently once it is compiled
            double correction1 = 1 - StrictMath.pow(s.beta1(), s.step());
            double correction2 = 1 - StrictMath.pow(s.beta2(), s.step());
            return new Factors(
                    (float) (1 - s.learningRate() * s.weightDecay()),
                    (float) (1 - s.beta1()),
                    (float) s.beta2(),
                    (float) (1 - s.beta2()),
                    (float) Math.sqrt(correction2),
                    (float) s.eps(),
                    (float) (-s.learningRate() / correction1));
        }
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Settings settings) {
        for (Tensor tensor : new Tensor[] {parameter, gradient, m, v}) {
            Checks.vector(tensor, DType.F32, parameter.size());
        }
        Checks.vector(normAndScale, DType.F32, 2);
        if (settings.step() < 1) {
            throw new IllegalArgumentException("steps are counted from 1, not " + settings.step());
        }
        float scale = Native.getFloat(normAndScale.address() + 4);
        Factors factors = Factors.of(settings);
        Tensor flat = parameter.reshape(1, parameter.size());
        Elements.forEach(
                workers,
                (row, at, count, buffers) -> {
                    Rows.load(parameter, 0, at, count, buffers[0], 0);
                    Rows.load(gradient, 0, at, count, buffers[1], 0);
                    Rows.load(m, 0, at, count, buffers[2], 0);
                    Rows.load(v, 0, at, count, buffers[3], 0);
                    update(buffers, count, scale, factors);
                    Rows.store(buffers[0], 0, count, parameter, 0, at);
                    Rows.store(buffers[2], 0, count, m, 0, at);
                    Rows.store(buffers[3], 0, count, v, 0, at);
                },
                flat);
    }

    private static void update(float[][] buffers, int count, float scale, Factors f) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector g = FloatVector.fromArray(SPECIES, buffers[1], i).mul(scale);
            FloatVector m = FloatVector.fromArray(SPECIES, buffers[2], i);
            m = g.sub(m).fma(FloatVector.broadcast(SPECIES, f.beta1Rest), m);
            FloatVector v = FloatVector.fromArray(SPECIES, buffers[3], i).mul(f.beta2);
            v = g.mul(f.beta2Rest).fma(g, v); // fused, as in PyTorch's compiled kernel
            FloatVector root = v.lanewise(VectorOperators.SQRT);
            FloatVector denominator = root.div(f.correction2Root).add(f.eps);
            FloatVector parameter =
                    FloatVector.fromArray(SPECIES, buffers[0], i).mul(f.decay);
            parameter.add(m.mul(f.stepSize).div(denominator)).intoArray(buffers[0], i);
            m.intoArray(buffers[2], i);
            v.intoArray(buffers[3], i);
        }
    }
}
