// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.broadcast;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.pmod;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Which windows there are, and whose: as many as the tokens ask for, of each group its own, one group after the other in the
 * order of keys. So a group's packed rows stand side by side, and nothing in them depends on other groups.
 *
 * @param windows how many there are
 * @param keys of groups by the first window of each; empty where rows have none
 */
record PackPlan(int windows, NavigableMap<Integer, String> keys) {

    private static final String FIRST_WINDOW = "first_window";
    private static final String WINDOWS = "windows";

    private static final StructType SCHEMA = new StructType()
            .add(TokenizedRows.GROUP, DataTypes.StringType, false)
            .add(FIRST_WINDOW, DataTypes.IntegerType, false)
            .add(WINDOWS, DataTypes.LongType, false);

    static PackPlan of(TokenizeCounts counts, long windowTokens) {
        if (counts.groups().isEmpty()) {
            return new PackPlan(Math.toIntExact(counts.tokens() / windowTokens + 1), new TreeMap<>());
        }
        NavigableMap<Integer, String> keys = new TreeMap<>();
        long next = 0;
        for (Map.Entry<String, GroupCounts> group : counts.groups().entrySet()) {
            if (group.getValue().tokens() > 0) {
                keys.put(Math.toIntExact(next), group.getKey());
                next += group.getValue().tokens() / windowTokens + 1;
            }
        }
        return new PackPlan(Math.toIntExact(next), keys);
    }

    boolean grouped() {
        return !keys.isEmpty();
    }

    /** The group that a window is of; null where rows have none. */
    String groupOf(int window) {
        return grouped() ? keys.floorEntry(window).getValue() : null;
    }

    /** Adds the column of a sequence's window, which its place among all decides. */
    Dataset<Row> withWindows(SparkSession spark, Dataset<Row> sequences, Column place, String name) {
        if (!grouped()) {
            return sequences.withColumn(name, pmod(place, lit((long) windows)).cast(DataTypes.IntegerType));
        }
        Column window = col(FIRST_WINDOW).plus(pmod(place, col(WINDOWS)));
        return sequences
                .join(broadcast(spark.createDataFrame(rows(), SCHEMA)), TokenizedRows.GROUP)
                .withColumn(name, window.cast(DataTypes.IntegerType));
    }

    private List<Row> rows() {
        List<Row> rows = new ArrayList<>(keys.size());
        keys.forEach((first, key) -> {
            Integer next = keys.higherKey(first);
            rows.add(RowFactory.create(key, first, (long) (next == null ? windows : next) - first));
        });
        return rows;
    }
}
