// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RowNoise;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Uniform noise, a row at a time. The four random words of a block lie in two longs, the first lowest. */
final class CpuRowNoise implements RowNoise {

    private static final int PER_BLOCK = 4;

    private final Workers workers;

    CpuRowNoise(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void add(Tensor x, Tensor bounds, long seed, Tensor streamBase, long stream) {
        Checks.vector(bounds, DType.F32, x.rows());
        Checks.vector(streamBase, DType.I64, 1);
        int cols = Math.toIntExact(x.cols());
        long numbers = Native.getLong(streamBase.address()) + stream;
        workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> {
            long[] random = new long[(cols + PER_BLOCK) / 2 + 2 * (Philox.LANES + 1)];
            float[] values = Elements.buffers(cols)[0];
            for (long row = from; row < to; row++) {
                Rows.load(x, row, 0, cols, values, 0);
                long first = row * cols;
                int skip = (int) (first % PER_BLOCK);
                int blocks = (skip + cols + PER_BLOCK - 1) / PER_BLOCK;
                Philox.blocks(first / PER_BLOCK, numbers, seed, blocks, random);
                add(values, cols, Native.getFloat(bounds.address() + 4 * row), random, skip);
                Rows.store(values, 0, cols, x, row, 0);
            }
        });
    }

    private static void add(float[] values, int count, float bound, long[] random, int skip) {
        for (int i = 0; i < count; i++) {
            int at = skip + i;
            int word = (int) (random[at / 2] >>> (at % 2 * Integer.SIZE));
            float u = (word >>> 8) * 0x1p-23f - 1f;
            values[i] = values[i] + u * bound;
        }
    }
}
