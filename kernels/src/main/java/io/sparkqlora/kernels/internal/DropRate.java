// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

/**
 * A probability of dropping as masks have it.
 *
 * @param threshold of 15 random bits: an element is dropped if they are fewer
 * @param factor on what is kept, so that the mean stays
 */
public record DropRate(int threshold, float factor) {

    private static final int STEPS = 1 << 15;

    /** The nearest rate. */
    public static DropRate of(float p) {
        if (!(p >= 0f && p < 1f)) {
            throw new IllegalArgumentException("the probability of dropping must be in [0, 1), not " + p);
        }
        int threshold = Math.min(STEPS - 1, Math.round(p * STEPS));
        return new DropRate(threshold, (float) STEPS / (STEPS - threshold));
    }
}
