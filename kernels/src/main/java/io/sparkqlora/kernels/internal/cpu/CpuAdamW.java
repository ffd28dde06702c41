// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
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

    /** What is the same for every element of an update. */
    record Factors(
            float scale,
            float decay,
            float beta1,
            float beta1Rest,
            float beta2,
            float beta2Rest,
            float correction2Root,
            float eps,
            float stepSize) {

        static Factors of(Tensor normAndScale, Tensor factors) {
            Checks.vector(normAndScale, DType.F32, 2);
            Checks.vector(factors, DType.F32, FACTORS);
            float[] f = new float[FACTORS];
            Native.load(factors.address(), f, 0, FACTORS);
            float scale = Native.getFloat(normAndScale.address() + 4);
            return new Factors(scale, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]);
        }
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Tensor factors) {
        for (Tensor tensor : new Tensor[] {parameter, gradient, m, v}) {
            Checks.vector(tensor, DType.F32, parameter.size());
        }
        Factors f = Factors.of(normAndScale, factors);
        Tensor flat = parameter.reshape(1, parameter.size());
        Elements.forEach(
                workers,
                (row, at, count, buffers) -> {
                    Rows.load(parameter, 0, at, count, buffers[0], 0);
                    Rows.load(gradient, 0, at, count, buffers[1], 0);
                    Rows.load(m, 0, at, count, buffers[2], 0);
                    Rows.load(v, 0, at, count, buffers[3], 0);
                    update(buffers, count, f);
                    Rows.store(buffers[0], 0, count, parameter, 0, at);
                    Rows.store(buffers[2], 0, count, m, 0, at);
                    Rows.store(buffers[3], 0, count, v, 0, at);
                },
                flat);
    }

    private static void update(float[][] buffers, int count, Factors f) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector g = FloatVector.fromArray(SPECIES, buffers[1], i).mul(f.scale);
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
