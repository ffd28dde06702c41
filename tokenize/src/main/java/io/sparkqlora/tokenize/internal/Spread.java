// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.element_at;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.pmod;

import org.apache.spark.sql.Column;
import org.apache.spark.unsafe.hash.Murmur3_x86_32;

/**
 * Spreads numbered groups of rows over partitions, one after the other. Spark partitions by a hash, which puts four groups
 * on two partitions as three and one as likely as not, and one core waits for the other.
 */
final class Spread {

    /** The seed of Spark's hash partitioning. */
    private static final int SEED = 42;

    private Spread() {}

    /** What to repartition by, so that group g of a column of integers comes to partition {@code g % partitions}. */
    static Column evenly(String group, int partitions) {
        return element_at(
                lit(keys(partitions)), pmod(col(group), lit(partitions)).plus(1));
    }

    /** For each partition an integer that Spark's hash sends there. */
    private static int[] keys(int partitions) {
        int[] keys = new int[partitions];
        boolean[] found = new boolean[partitions];
        int missing = partitions;
        for (int key = 0; missing > 0; key++) {
            int partition = Math.floorMod(Murmur3_x86_32.hashInt(key, SEED), partitions);
            if (!found[partition]) {
                found[partition] = true;
                keys[partition] = key;
                missing--;
            }
        }
        return keys;
    }
}
