// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.Tensor;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Blocks of a weight to 4-bit codes with the arithmetic of bitsandbytes 0.50: a block is multiplied by the inverse of its
 * largest magnitude (the short last one is divided by it) and each value goes to the nearest level, an exact middle to the lower
 * one. Values between zero and half of FP4's smallest level get its second zero, code 8.
 */
final class BlockQuantizer {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final int CODES = 16;
    /** What bitsandbytes takes for the largest magnitude of a block of zeros. */
    private static final float SMALLEST_SCALE = 1e-38f;

    private final QuantFormat format;
    private final float[] middles = new float[CODES - 1];
    private final int[] codeOfRank = new int[CODES];

    BlockQuantizer(QuantFormat format) {
        this.format = format;
        float[] levels = format.type().levels();
        for (int code = 0; code < CODES; code++) {
            codeOfRank[rank(levels, code)] = code;
        }
        for (int i = 0; i < CODES - 1; i++) {
            middles[i] = (levels[codeOfRank[i]] + levels[codeOfRank[i + 1]]) / 2f;
        }
    }

    private static int rank(float[] levels, int code) {
        int rank = 0;
        for (int other = 0; other < CODES; other++) {
            if (levels[other] < levels[code] || (levels[other] == levels[code] && other < code)) {
                rank++;
            }
        }
        return rank;
    }

    /** Quantises blocks {@code from} to {@code to} of {@code source} to {@code packed} and {@code scales}. */
    void quantize(Tensor source, long from, long to, Tensor packed, float[] scales) {
        int size = format.blockSize();
        float[] values = new float[size];
        int[] ranks = new int[size];
        byte[] bytes = new byte[size / 2];
        for (long block = from; block < to; block++) {
            long start = block * size;
            int count = (int) Math.min(size, source.size() - start);
            Rows.load(source.dtype(), source.address() + start * source.dtype().bytes(), count, values, 0);
            scales[(int) block] = normalise(values, count, source, start);
            rank(values, ranks, count);
            pack(ranks, count, bytes);
            Native.store(bytes, 0, (count + 1) / 2, packed.address() + start / 2);
        }
    }

    /** Scales the block to [−1, 1] and returns its scale. A padding element after an odd count is zero. */
    private float normalise(float[] values, int count, Tensor source, long start) {
        float max = 0f;
        for (int i = 0; i < count; i++) {
            max = Math.max(max, Math.abs(values[i]));
        }
        if (!(max <= Float.MAX_VALUE)) {
            throw nonFinite(values, source, start);
        }
        if (count < format.blockSize()) {
            return normaliseShort(values, count, Math.max(max, SMALLEST_SCALE));
        }
        float inverse = 1f / Math.max(max, SMALLEST_SCALE);
        for (int i = 0; i < count; i++) {
            values[i] *= inverse;
        }
        return max;
    }

    private static float normaliseShort(float[] values, int count, float max) {
        for (int i = 0; i < count; i++) {
            values[i] /= max;
        }
        values[count] = 0f;
        return max;
    }

    private static RuntimeException nonFinite(float[] values, Tensor source, long start) {
        int i = 0;
        while (Math.abs(values[i]) <= Float.MAX_VALUE) {
            i++;
        }
        long element = start + i;
        return KernelErrors.nonFiniteWeight(element / source.cols(), element % source.cols(), values[i]);
    }

    /** The rank of a value is the number of middles below it. No clamp is needed: the outermost middles are inside [−1, 1]. */
    private void rank(float[] values, int[] ranks, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector x = VectorMath.load(values, i);
            IntVector rank = IntVector.zero(INTS);
            for (float middle : middles) {
                rank = rank.add(1, x.compare(VectorOperators.GT, middle).cast(INTS));
            }
            rank.intoArray(ranks, i);
        }
    }

    private void pack(int[] ranks, int count, byte[] bytes) {
        for (int i = 0; i < count; i += 2) {
            bytes[i / 2] = (byte) (codeOfRank[ranks[i]] << 4 | codeOfRank[ranks[i + 1]]);
        }
    }
}
