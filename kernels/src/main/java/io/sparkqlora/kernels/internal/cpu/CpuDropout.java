// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** Inverted dropout. An element's word is word {@code index mod 4} of Philox at counter (index / 4, stream), key seed. */
final class CpuDropout implements Dropout {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final int WORDS = 4;
    private static final ThreadLocal<int[]> RANDOM =
            ThreadLocal.withInitial(() -> new int[Elements.PART + WORDS * (Philox.LANES + 1)]);

    private final Workers workers;

    CpuDropout(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, Tensor out) {
        Checks.vector(streamBase, DType.I64, 1);
        if (!(p >= 0f && p < 1f)) {
            throw new IllegalArgumentException("the probability of dropping must be in [0, 1), not " + p);
        }
        int threshold = (int) (long) (p * 0x1p32) ^ Integer.MIN_VALUE;
        float scale = 1f / (1f - p);
        long mask = Native.getLong(streamBase.address()) + stream;
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(x, row, col, count, buffers[0], 0);
                    long first = row * x.cols() + col;
                    int[] words = draw(first, count, seed, mask);
                    drop(buffers[0], words, (int) (first % WORDS), count, threshold, scale);
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                x,
                out);
    }

    private static int[] draw(long first, int count, long seed, long stream) {
        int[] words = RANDOM.get();
        int blocks = (int) ((first % WORDS + count + WORDS - 1) / WORDS);
        Philox.blocks(first / WORDS, stream, seed, blocks, words);
        return words;
    }

    /** Words and threshold are compared as unsigned numbers, by flipping their upper bits. */
    private static void drop(float[] x, int[] words, int wordAt, int count, int flippedThreshold, float scale) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            IntVector flipped =
                    IntVector.fromArray(INTS, words, wordAt + i).lanewise(VectorOperators.XOR, Integer.MIN_VALUE);
            VectorMask<Float> dropped =
                    flipped.compare(VectorOperators.LT, flippedThreshold).cast(VectorMath.SPECIES);
            VectorMath.load(x, i).mul(scale).blend(0f, dropped).intoArray(x, i);
        }
    }
}
