// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Sgd;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** SGD in the order of operations of {@code torch.optim.SGD}, whose kernels fuse the addition of a multiple. */
final class CpuSgd implements Sgd {

    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuSgd(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void update(Tensor parameter, Tensor gradient, Tensor normAndScale, Tensor factors) {
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(normAndScale, DType.F32, 2);
        Checks.vector(factors, DType.F32, FACTORS);
        float scale = Native.getFloat(normAndScale.address() + 4);
        FloatVector decay = FloatVector.broadcast(SPECIES, Native.getFloat(factors.address()));
        FloatVector step = FloatVector.broadcast(SPECIES, Native.getFloat(factors.address() + 4));
        Elements.forEach(
                workers,
                (row, at, count, buffers) -> {
                    Rows.load(parameter, 0, at, count, buffers[0], 0);
                    Rows.load(gradient, 0, at, count, buffers[1], 0);
                    for (int i = 0; i < count; i += VectorMath.LANES) {
                        FloatVector p = FloatVector.fromArray(SPECIES, buffers[0], i);
                        FloatVector g =
                                FloatVector.fromArray(SPECIES, buffers[1], i).mul(scale);
                        p.fma(decay, g).fma(step, p).intoArray(buffers[0], i);
                    }
                    Rows.store(buffers[0], 0, count, parameter, 0, at);
                },
                parameter.reshape(1, parameter.size()));
    }
}
