// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/** Dropout's masks, as {@link io.sparkqlora.kernels.Dropout} says them, an element at a time. */
final class TestMasks {

    private static final int STEPS = 1 << 15;

    private TestMasks() {}

    /** The probability that is in force. */
    static double rate(double p) {
        return (double) Math.round(p * STEPS) / STEPS;
    }

    static boolean kept(long index, double p, long seed, long stream) {
        int[] words = new int[4];
        Philox.block(index / 8, stream, seed, words, 0);
        int half = (int) (index % 8);
        int bits = words[half / 2] >>> (half % 2 * 16) & (STEPS - 1);
        return bits >= rate(p) * STEPS;
    }
}
