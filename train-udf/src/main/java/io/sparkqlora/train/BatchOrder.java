// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Objects;

/**
 * The order of rows in each epoch: a permutation that is a pure function of seed, epoch and row count, computed place by
 * place without a table, so that any executor can say which row comes where, for data sets of any size.
 *
 * <p>A balanced Feistel network (Luby and Rackoff, 1988) permutes the numbers of an even count of bits; places that fall
 * outside the rows are sent through it again until they fall inside (cycle walking: Black and Rogaway, 2002), less than four
 * times on average.
 */
public final class BatchOrder {

    private static final int ROUNDS = 8;

    // SplitMix64 (Steele, Lea and Flood, 2014)
    private static final long GOLDEN = 0x9E3779B97F4A7C15L;
    private static final long MIX_1 = 0xBF58476D1CE4E5B9L;
    private static final long MIX_2 = 0x94D049BB133111EBL;

    private BatchOrder() {}

    /**
     * The row at a place.
     *
     * @param seed the run's seed
     * @param epoch epoch, from 0
     * @param rows how many rows there are
     * @param place place within the epoch, in [0, rows)
     * @return a row index in [0, rows); for the places of one epoch, each row once
     */
    public static long rowIndex(long seed, long epoch, long rows, long place) {
        Objects.checkIndex(place, rows);
        int half = halfBits(rows);
        long key = mix(mix(seed + GOLDEN) + epoch);
        long value = place;
        do {
            value = permuted(value, half, key);
        } while (value >= rows);
        return value;
    }

    /** Half the bits that row indices need, rounded up; at least one. */
    private static int halfBits(long rows) {
        int bits = Long.SIZE - Long.numberOfLeadingZeros(rows - 1);
        return Math.max(1, (bits + 1) / 2);
    }

    private static long permuted(long value, int half, long key) {
        long mask = (1L << half) - 1;
        long left = value >>> half;
        long right = value & mask;
        for (int round = 0; round < ROUNDS; round++) {
            long next = left ^ (mix(key + round * GOLDEN + right) & mask);
            left = right;
            right = next;
        }
        return left << half | right;
    }

    private static long mix(long value) {
        long z = (value ^ (value >>> 30)) * MIX_1;
        z = (z ^ (z >>> 27)) * MIX_2;
        return z ^ (z >>> 31);
    }
}
