// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.DynamicBins;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * AdamW with moments in 8 bits, a block at a time: codes to numbers, the update in the order of operations of bitsandbytes'
 * CPU implementation (PyTorch's kernels, which fuse), numbers to codes.
 */
final class CpuAdamW8bit implements AdamW8bit {

    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;
    private static final Codec SIGNED = new Codec(DynamicMap.signed());
    private static final Codec UNSIGNED = new Codec(DynamicMap.unsigned());
    private static final ThreadLocal<byte[]> CODES = ThreadLocal.withInitial(() -> new byte[BLOCK_SIZE]);

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
        workers.forRange(count, Elements.grain(BLOCK_SIZE), (from, to) -> {
            for (long block = from; block < to; block++) {
                long first = Native.getInt(blocks.address(block));
                int size = Native.getInt(blocks.address(block) + 4);
                checkBlock(first, size, parameter.size());
                update(parameter, gradient, m, v, new Block(block, first, size), f);
            }
        });
    }

    private static void checkBlock(long first, int size, long elements) {
        if (first < 0 || size < 0 || size > BLOCK_SIZE || first + size > elements) {
            throw new IllegalArgumentException(
                    "a block of " + size + " elements from element " + first + " of " + elements);
        }
    }

    private record Block(long index, long first, int size) {}

    private static void update(Tensor parameter, Tensor gradient, Moment m, Moment v, Block block, CpuAdamW.Factors f) {
        float[][] buffers = Elements.buffers(BLOCK_SIZE);
        Rows.load(parameter, 0, block.first, block.size, buffers[0], 0);
        Rows.load(gradient, 0, block.first, block.size, buffers[1], 0);
        SIGNED.decode(m, block, buffers[2]);
        UNSIGNED.decode(v, block, buffers[3]);
        update(buffers, block.size, f);
        Rows.store(buffers[0], 0, block.size, parameter, 0, block.first);
        SIGNED.encode(buffers[2], m, block);
        UNSIGNED.encode(buffers[3], v, block);
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

    /** Between numbers and codes of one map. */
    private record Codec(float[] map, byte[] codeOfBin) {

        Codec(float[] map) {
            this(map, DynamicBins.codes(map));
        }

        void decode(Moment moment, Block block, float[] values) {
            byte[] codes = CODES.get();
            Native.load(moment.codes().address() + block.first, codes, 0, block.size);
            float absmax = Native.getFloat(moment.absmax().address() + 4 * block.index);
            for (int i = 0; i < block.size; i++) {
                values[i] = map[codes[i] & 0xff] * absmax;
            }
        }

        void encode(float[] values, Moment moment, Block block) {
            float absmax = 0f;
            for (int i = 0; i < block.size; i++) {
                float magnitude = Math.abs(values[i]);
                absmax = magnitude > absmax ? magnitude : absmax;
            }
            byte[] codes = CODES.get();
            float inverse = 1f / absmax;
            for (int i = 0; i < block.size; i++) {
                codes[i] = absmax == 0f ? 0 : codeOfBin[DynamicBins.bin(values[i] * inverse)];
            }
            Native.store(codes, 0, block.size, moment.codes().address() + block.first);
            Native.putFloat(moment.absmax().address() + 4 * block.index, absmax);
        }
    }
}
