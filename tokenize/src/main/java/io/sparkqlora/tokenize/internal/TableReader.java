// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.Lineage;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * Tables and views of the catalog. A Delta table has its own versions; of any other (a view, a JDBC table, a table of files
 * that may be rewritten in place) only the content tells whether it is the same.
 */
public final class TableReader {

    private TableReader() {}

    /**
     * Resolves a table.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D061 when there is none of this name
     */
    public static SourceRows read(SparkSession spark, String table) {
        if (!exists(spark, table)) {
            throw TokenizeErrors.noSuchTable(table, spark.catalog().currentDatabase());
        }
        String identity = "table:" + table;
        Optional<String> location = deltaLocation(spark, table);
        if (location.isEmpty()) {
            return SourceRows.of(spark.table(table), identity);
        }
        long version = DeltaLog.version(spark, location.get());
        Dataset<Row> rows = spark.read().option("versionAsOf", version).table(table);
        return SourceRows.of(rows, new Lineage(identity, "delta:" + version));
    }

    private static boolean exists(SparkSession spark, String table) {
        try {
            return spark.catalog().tableExists(table);
        } catch (Exception e) {
            // Spark's parser throws checked exceptions without declaring them: a name that it can't take is no table's
            return false;
        }
    }

    /** Where a Delta table lies; empty for anything else. */
    private static Optional<String> deltaLocation(SparkSession spark, String table) {
        Map<String, String> details = spark.sql("DESCRIBE TABLE EXTENDED " + table).collectAsList().stream()
                .filter(row -> row.getString(1) != null)
                .collect(Collectors.toMap(
                        row -> row.getString(0).toLowerCase(Locale.ROOT), row -> row.getString(1), (a, b) -> b));
        return "delta".equalsIgnoreCase(details.get("provider"))
                ? Optional.ofNullable(details.get("location"))
                : Optional.empty();
    }
}
