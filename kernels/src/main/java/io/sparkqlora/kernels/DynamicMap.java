// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.Arrays;

/**
 * bitsandbytes' dynamic 8-bit data type ({@code create_dynamic_map}): 256 values in [−1, 1] whose exponent bits take room from
 * their fraction bits (Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, 2016). In each decade
 * {@code 10^−6 … 10^0} the values are the middles of equal parts of [0.1, 1], twice as many parts from one decade to the next;
 * zero and one complete them.
 */
public final class DynamicMap {

    /** Number of values, and of codes. */
    public static final int SIZE = 256;

    private static final double[] DECADES = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0};
    private static final float[] SIGNED = build(true);
    private static final float[] UNSIGNED = build(false);

    private DynamicMap() {}

    /** A copy of the values in ascending order; the {@code nested_quant_map} of double quantisation. */
    public static float[] signed() {
        return SIGNED.clone();
    }

    /** A copy of the values without the negative ones, and finer. */
    public static float[] unsigned() {
        return UNSIGNED.clone();
    }

    private static float[] build(boolean signed) {
        float[] map = new float[SIZE];
        int size = 0;
        for (int i = 0; i < DECADES.length; i++) {
            int parts = signed ? 1 << i : 2 << i;
            float decade = (float) DECADES[i];
            for (int k = 0; k < parts; k++) {
                float mean = (boundary(k, parts) + boundary(k + 1, parts)) / 2f;
                map[size++] = decade * mean;
                if (signed) {
                    map[size++] = -decade * mean;
                }
            }
        }
        map[size++] = 0f;
        map[size++] = 1f;
        Arrays.sort(map);
        return map;
    }

    /** Boundary {@code k} of {@code parts} of [0.1, 1] in the arithmetic of {@code torch.linspace}: from the nearer end, in F32. */
    private static float boundary(int k, int parts) {
        float step = (1f - 0.1f) / parts;
        return k < (parts + 1) / 2 ? Math.fma(step, k, 0.1f) : Math.fma(-step, parts - k, 1f);
    }
}
