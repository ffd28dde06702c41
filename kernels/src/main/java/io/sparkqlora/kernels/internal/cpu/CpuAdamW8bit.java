// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * AdamW with moments in 8 bits, a block at a time: codes to numbers, the update in the order of operations of bitsandbytes'
 * CPU implementation (PyTorch's kernels, which fuse), numbers to codes.
 */
final class CpuAdamW8bit implements AdamW8bit {

    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuAdamW8bit(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void update(
            Tensor parameter, Tensor gradient, Moment m, Moment v, Tensor blocks, Tensor normAndScale, Tensor factors) {
        long count = blocks.rows();
        Checks.vector(parameter, DType.F32, parameter.size());
        Checks.vector(gradient, DType.F32, parameter.size());
        Checks.vector(blocks, DType.I32, 2 * count);
        for (Moment moment : new Moment[] {m, v}) {
            Checks.vector(moment.codes(), DType.U8, parameter.size());
            Checks.vector(moment.absmax(), DType.F32, count);
        }
        CpuAdamW.Factors f = CpuAdamW.Factors.of(normAndScale, factors);
        DynamicCodec.forEach(workers, blocks, parameter.size(), block -> update(parameter, gradient, m, v, block, f));
    }

    private static void update(
            Tensor parameter, Tensor gradient, Moment m, Moment v, DynamicCodec.Block block, CpuAdamW.Factors f) {
        float[][] buffers = Elements.buffers(BLOCK_SIZE);
        Rows.load(parameter, 0, block.first(), block.size(), buffers[0], 0);
        Rows.load(gradient, 0, block.first(), block.size(), buffers[1], 0);
        DynamicCodec.SIGNED.decode(m, block, buffers[2]);
        DynamicCodec.UNSIGNED.decode(v, block, buffers[3]);
        update(buffers, block.size(), f);
        Rows.store(buffers[0], 0, block.size(), parameter, 0, block.first());
        DynamicCodec.SIGNED.encode(buffers[2], m, block);
        DynamicCodec.UNSIGNED.encode(buffers[3], v, block);
    }

    private static void update(float[][] buffers, int count, CpuAdamW.Factors f) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector g = FloatVector.fromArray(SPECIES, buffers[1], i).mul(f.scale());
            FloatVector m = FloatVector.fromArray(SPECIES, buffers[2], i).mul(f.beta1());
            m = g.fma(FloatVector.broadcast(SPECIES, f.beta1Rest()), m);
            FloatVector v = FloatVector.fromArray(SPECIES, buffers[3], i).mul(f.beta2());
            v = g.mul(f.beta2Rest()).fma(g, v);
            FloatVector root = v.lanewise(VectorOperators.SQRT);
            FloatVector denominator = root.div(f.correction2Root()).add(f.eps());
            FloatVector parameter =
                    FloatVector.fromArray(SPECIES, buffers[0], i).mul(f.decay());
            parameter.add(m.mul(f.stepSize()).div(denominator)).intoArray(buffers[0], i);
            m.intoArray(buffers[2], i);
            v.intoArray(buffers[3], i);
        }
    }
}
