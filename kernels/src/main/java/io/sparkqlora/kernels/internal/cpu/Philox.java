// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/**
 * The counter-based generator Philox 4×32-10 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011): four random
 * words as a function of a counter of four words and a key of two.
 */
final class Philox {

    private static final int ROUNDS = 10;
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    private static final int WEYL_0 = 0x9E3779B9;
    private static final int WEYL_1 = 0xBB67AE85;
    private static final long WORD = 0xffffffffL;

    private Philox() {}

    /**
     * Writes the four words of a counter to {@code out[at … at + 3]}.
     *
     * @param low words 0 (lower half) and 1 of the counter
     * @param high words 2 (lower half) and 3 of the counter
     * @param key words 0 (lower half) and 1 of the key
     */
    static void block(long low, long high, long key, int[] out, int at) {
        int c0 = (int) low;
        int c1 = (int) (low >>> 32);
        int c2 = (int) high;
        int c3 = (int) (high >>> 32);
        int k0 = (int) key;
        int k1 = (int) (key >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            long p0 = MULTIPLIER_0 * (c0 & WORD);
            long p1 = MULTIPLIER_1 * (c2 & WORD);
            c0 = (int) (p1 >>> 32) ^ c1 ^ k0;
            c1 = (int) p1;
            c2 = (int) (p0 >>> 32) ^ c3 ^ k1;
            c3 = (int) p0;
            k0 += WEYL_0;
            k1 += WEYL_1;
        }
        out[at] = c0;
        out[at + 1] = c1;
        out[at + 2] = c2;
        out[at + 3] = c3;
    }
}
