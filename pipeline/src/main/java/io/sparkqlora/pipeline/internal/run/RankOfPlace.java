// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import org.apache.spark.sql.api.java.UDF1;

/**
 * The ranks as a function that queries can call: place → the key of its rank.
 *
 * @param plan who takes what
 * @param keys by rank
 */
@SuppressWarnings("ArrayRecordComponent")
record RankOfPlace(RankPlan plan, int[] keys) implements UDF1<Long, Integer> {

    @Override
    public Integer call(Long place) {
        return keys[plan.rankOf(place)];
    }
}
