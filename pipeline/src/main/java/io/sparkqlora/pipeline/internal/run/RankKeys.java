// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.array;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.hash;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.pmod;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * Sends rows to a partition of a given number. Spark's {@code repartition} hashes its column; so each rank is stood for by a
 * number whose hash leads to its partition.
 */
public final class RankKeys {

    public static final String COLUMN = "rank_key";

    private static final int TRIES_PER_RANK = 64;

    private final int[] keys;

    private RankKeys(int[] keys) {
        this.keys = keys;
    }

    /** The keys of so many ranks. Spark computes the hashes while it plans: no job runs. */
    public static RankKeys of(SparkSession spark, int ranks) {
        int[] keys = new int[ranks];
        if (ranks == 1) {
            return new RankKeys(keys);
        }
        List<Row> numbers = IntStream.range(1, TRIES_PER_RANK * ranks)
                .mapToObj(number -> RowFactory.create(number))
                .toList();
        spark.createDataFrame(numbers, new StructType().add("key", DataTypes.IntegerType))
                .select(col("key"), pmod(hash(col("key")), lit(ranks)).as("rank"))
                .collectAsList()
                .forEach(row -> keys[row.getInt(1)] = row.getInt(0));
        return new RankKeys(keys);
    }

    public int[] keys() {
        return keys.clone();
    }

    /** Rows with the column {@link #COLUMN} in the partitions of their ranks. */
    public Dataset<Row> partitioned(Dataset<Row> rows) {
        return rows.repartition(keys.length, col(COLUMN));
    }

    /** Every row for each rank. */
    Dataset<Row> forAll(Dataset<Row> rows) {
        Column[] all = Arrays.stream(keys).mapToObj(key -> lit(key)).toArray(Column[]::new);
        return partitioned(rows.withColumn(COLUMN, explode(array(all))));
    }
}
