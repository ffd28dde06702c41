// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.util.Arrays;

/**
 * The mean of a vector with the rounding of {@code torch.Tensor.mean} on x86 CPUs with one thread: a cascade sum of 4 × 8 lanes
 * in F32 (each lane sums groups of at least 16 values, groups of groups, and so on over 4 levels), then the lanes in order,
 * then one division; fewer than 8 values go in 4 × 1 lanes. bitsandbytes stores this mean, and the 8-bit codes of the scales depend on its last bit. With more
 * threads PyTorch cuts vectors of 32,768 values and more into one part a thread, so its own result differs there from machine
 * to machine; this is the one that does not.
 */
final class TorchMean {

    private static final int VECTOR = 8;
    private static final int ROWS = 4;
    private static final int LEVELS = 4;
    private static final int MIN_LEVEL_POWER = 4;

    private TorchMean() {}

    static float of(float[] x, int n) {
        int width = n < VECTOR ? 1 : VECTOR;
        int vectors = n / width;
        float[] lanes = lanes(x, vectors, width);
        float sum = 0f;
        for (int i = vectors * width; i < n; i++) {
            sum += x[i];
        }
        for (int i = 0; i < width; i++) {
            sum += lanes[i];
        }
        return sum / n;
    }

    /** Sums vectors of {@code width} values. */
    private static float[] lanes(float[] x, int vectors, int width) {
        int steps = vectors / ROWS;
        float[] lanes = cascade(x, steps, width * ROWS);
        for (int v = steps * ROWS; v < vectors; v++) {
            addTo(lanes, x, v * width, width);
        }
        for (int row = 1; row < ROWS; row++) {
            addTo(lanes, lanes, row * width, width);
        }
        return lanes;
    }

    /** Sums {@code steps} rows of {@code width} values, each column by itself. */
    private static float[] cascade(float[] x, int steps, int width) {
        int power = Math.max(MIN_LEVEL_POWER, ceilLog2(steps) / LEVELS);
        int groupSize = 1 << power;
        float[][] level = new float[LEVELS][width];
        int i = 0;
        while (i + groupSize <= steps) {
            for (int end = i + groupSize; i < end; i++) {
                addTo(level[0], x, i * width, width);
            }
            carry(level, i, power);
        }
        for (; i < steps; i++) {
            addTo(level[0], x, i * width, width);
        }
        for (int j = 1; j < LEVELS; j++) {
            addTo(level[0], level[j], 0, width);
        }
        return level[0];
    }

    /** Moves full groups up, as a counter carries. */
    private static void carry(float[][] level, int done, int power) {
        long mask = (1L << power) - 1;
        for (int j = 1; j < LEVELS; j++) {
            addTo(level[j], level[j - 1], 0, level[j].length);
            Arrays.fill(level[j - 1], 0f);
            if ((done & (mask << (j * power))) != 0) {
                return;
            }
        }
    }

    private static void addTo(float[] sum, float[] x, int at, int count) {
        for (int i = 0; i < count; i++) {
            sum[i] += x[at + i];
        }
    }

    private static int ceilLog2(int n) {
        return n <= 2 ? 1 : 32 - Integer.numberOfLeadingZeros(n - 1);
    }
}
