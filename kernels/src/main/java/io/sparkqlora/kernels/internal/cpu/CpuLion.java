// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Lion;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Lion in the order of operations of bitsandbytes' CPU implementation, whose moments are fused as PyTorch fuses. */
final class CpuLion implements Lion {

    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuLion(Workers workers) {
        this.workers = workers;
    }

    /** What is the same for every element of an update. */
    record Factors(
            float scale, float decay, float beta1, float beta1Rest, float beta2, float beta2Rest, float stepSize) {

        static Factors of(Tensor normAndScale, Tensor factors) {
            Checks.vector(normAndScale, DType.F32, 2);
            Checks.vector(factors, DType.F32, FACTORS);
            float[] f = new float[FACTORS];
            Native.load(factors.address(), f, 0, FACTORS);
            return new Factors(Native.getFloat(normAndScale.address() + 4), f[0], f[1], f[2], f[3], f[4], f[5]);
        }
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor m, Tensor normAndScale, Tensor factors) {
        for (Tensor tensor : new Tensor[] {parameter, gradient, m}) {
            Checks.vector(tensor, DType.F32, parameter.size());
        }
        Factors f = Factors.of(normAndScale, factors);
        Elements.forEach(
                workers,
                (row, at, count, buffers) -> {
                    Rows.load(parameter, 0, at, count, buffers[0], 0);
                    Rows.load(gradient, 0, at, count, buffers[1], 0);
                    Rows.load(m, 0, at, count, buffers[2], 0);
                    update(buffers, count, f);
                    Rows.store(buffers[0], 0, count, parameter, 0, at);
                    Rows.store(buffers[2], 0, count, m, 0, at);
                },
                parameter.reshape(1, parameter.size()));
    }

    /** @param buffers parameter, gradient and moment */
    static void update(float[][] buffers, int count, Factors f) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector g = FloatVector.fromArray(SPECIES, buffers[1], i).mul(f.scale);
            FloatVector m = FloatVector.fromArray(SPECIES, buffers[2], i);
            FloatVector mixed = g.fma(FloatVector.broadcast(SPECIES, f.beta1Rest), m.mul(f.beta1));
            FloatVector step = FloatVector.zero(SPECIES)
                    .blend(f.stepSize, mixed.compare(VectorOperators.GT, 0f))
                    .blend(-f.stepSize, mixed.compare(VectorOperators.LT, 0f));
            FloatVector parameter = FloatVector.fromArray(SPECIES, buffers[0], i);
            parameter.mul(f.decay).sub(step).intoArray(buffers[0], i);
            g.fma(FloatVector.broadcast(SPECIES, f.beta2Rest), m.mul(f.beta2)).intoArray(buffers[2], i);
        }
    }
}
