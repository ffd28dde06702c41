// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.ltrim;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.to_json;

import io.sparkqlora.tokenize.SourceRows;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.stream.Stream;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * A source's rows as JSON text, in one column, spread evenly. Tables and JSON files then go the same way, rows are cheap to
 * hand to Java, and what a rejected row looked like is at hand. Of a table, the columns of the shape are read and no others;
 * fields that are null are left out, as they are in the JSON that such tables are made of.
 */
public final class SourceText {

    private static final long PARTITION_BYTES = 16L << 20;
    private static final int TASKS_PER_CORE = 4;
    private static final int MOST_PARTITIONS = 50_000;
    private static final long UNKNOWN_BYTES = 1L << 50;

    private SourceText() {}

    static Dataset<Row> of(SparkSession spark, SourceRows source, RowShape shape) {
        Dataset<Row> text = source.jsonText()
                ? lines(source.rows())
                : source.rows().select(json(source.rows(), shape).as("value"));
        // tokenising costs a hundred times what moving the text does: few large files must not leave cores idle
        return text.repartition(partitions(spark, source.rows()));
    }

    /** How many rows a source has, bad ones included. */
    public static long count(SparkSession spark, SourceRows source) {
        return (source.jsonText() ? lines(source.rows()) : source.rows()).count();
    }

    private static Dataset<Row> lines(Dataset<Row> rows) {
        Column line = col(rows.columns()[0]);
        // from the left alone, which ends at a row's first character: trimming both ends copied and searched all of it
        return rows.select(line).where(ltrim(line, " \t\r").notEqual(""));
    }

    /** The columns of the shape as the text of a JSON object. */
    public static Column json(Dataset<Row> rows, RowShape shape) {
        Stream<String> corrupt = Arrays.stream(rows.columns()).filter(CsvReader.CORRUPT::equals);
        Column[] columns = Stream.concat(shape.columns().stream(), corrupt)
                .map(column -> col("`" + column.replace("`", "``") + "`"))
                .toArray(Column[]::new);
        return to_json(struct(columns));
    }

    private static int partitions(SparkSession spark, Dataset<Row> rows) {
        int cores = spark.sparkContext().defaultParallelism();
        long bytes = rows.queryExecution()
                .optimizedPlan()
                .stats()
                .sizeInBytes()
                .bigInteger()
                .min(BigInteger.valueOf(UNKNOWN_BYTES))
                .longValue();
        if (bytes >= UNKNOWN_BYTES) {
            return Math.max(TASKS_PER_CORE * cores, spark.sessionState().conf().numShufflePartitions());
        }
        return (int) Math.min(MOST_PARTITIONS, Math.max((long) TASKS_PER_CORE * cores, bytes / PARTITION_BYTES));
    }
}
