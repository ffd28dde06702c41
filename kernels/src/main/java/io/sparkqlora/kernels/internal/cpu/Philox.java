// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.util.stream.LongStream;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The counter-based generator Philox 4×32-7 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011): four random
 * words as a function of a counter of four words and a key of two. Seven rounds are the fewest that pass BigCrush.
 */
final class Philox {

    /** Counters that {@link #blocks} works on at once; it may write those of one counter less than these too many. */
    static final int LANES = LongVector.SPECIES_PREFERRED.length();

    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;
    private static final long[] IOTA = LongStream.range(0, LANES).toArray();
    private static final int ROUNDS = 7;
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

    /**
     * The words of {@code blocks} counters from {@code low} on as {@link #block} gives them, two in a long, the first in its
     * lower half, and some more behind them: whole vectors of counters, a counter a lane.
     */
    static void blocks(long low, long high, long key, int blocks, long[] out) {
        long[] lanes = new long[2 * LANES];
        for (int done = 0; done < blocks; done += LANES) {
            vector(low + done, high, key, lanes);
            for (int lane = 0; lane < LANES; lane++) {
                out[2 * (done + lane)] = lanes[lane];
                out[2 * (done + lane) + 1] = lanes[LANES + lane];
            }
        }
    }

    private static void vector(long low, long high, long key, long[] out) {
        LongVector counter = LongVector.broadcast(LONGS, low).add(LongVector.fromArray(LONGS, IOTA, 0));
        LongVector c0 = counter.and(WORD);
        LongVector c1 = counter.lanewise(VectorOperators.LSHR, 32);
        LongVector c2 = LongVector.broadcast(LONGS, high & WORD);
        LongVector c3 = LongVector.broadcast(LONGS, high >>> 32);
        int k0 = (int) key;
        int k1 = (int) (key >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            LongVector p0 = c0.mul(MULTIPLIER_0);
            LongVector p1 = c2.mul(MULTIPLIER_1);
            c0 = p1.lanewise(VectorOperators.LSHR, 32)
                    .lanewise(VectorOperators.XOR, c1)
                    .lanewise(VectorOperators.XOR, k0 & WORD);
            c1 = p1.and(WORD);
            c2 = p0.lanewise(VectorOperators.LSHR, 32)
                    .lanewise(VectorOperators.XOR, c3)
                    .lanewise(VectorOperators.XOR, k1 & WORD);
            c3 = p0.and(WORD);
            k0 += WEYL_0;
            k1 += WEYL_1;
        }
        c1.lanewise(VectorOperators.LSHL, 32).or(c0).intoArray(out, 0);
        c3.lanewise(VectorOperators.LSHL, 32).or(c2).intoArray(out, LANES);
    }
}
