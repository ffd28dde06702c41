// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.sum;

import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.tokenize.TokenGroup;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The groups of a data set that was tokenised before, out of the small columns of its tables. */
final class StoredGroups {

    private StoredGroups() {}

    /** All groups, by key: what the tokeniser told when it made them. */
    static List<TokenGroup> of(JobTables tables, String datasetId) {
        Map<String, SortedMap<String, Long>> rejected = rejected(tables, datasetId);
        SortedMap<String, TokenGroup> groups = new TreeMap<>();
        rejected.forEach((key, reasons) -> groups.put(key, TokenGroup.allRejected(key, reasons)));
        Column[] totals = {max("hyperparameters"), min("row_index"), count(lit(1)), max("num_tokens"), sum("num_tokens")
        };
        rows(tables, Table.TOKEN_SHARDS, datasetId)
                .groupBy("group_key")
                .agg(sum("num_target_tokens"), totals)
                .collectAsList()
                .forEach(row -> groups.put(row.getString(0), group(row, rejected)));
        return new ArrayList<>(groups.values());
    }

    private static TokenGroup group(Row row, Map<String, SortedMap<String, Long>> rejected) {
        String key = row.getString(0);
        return new TokenGroup(
                key,
                row.getString(2),
                row.getLong(3),
                row.getLong(4),
                row.getInt(5),
                row.getLong(6),
                row.getLong(1),
                rejected.getOrDefault(key, new TreeMap<>()));
    }

    private static Map<String, SortedMap<String, Long>> rejected(JobTables tables, String datasetId) {
        Map<String, SortedMap<String, Long>> rejected = new HashMap<>();
        rows(tables, Table.REJECTED_ROWS, datasetId)
                .groupBy("group_key", "reason")
                .count()
                .collectAsList()
                .forEach(row -> rejected.computeIfAbsent(row.getString(0), key -> new TreeMap<>())
                        .put(row.getString(1), row.getLong(2)));
        return rejected;
    }

    private static Dataset<Row> rows(JobTables tables, Table table, String datasetId) {
        return tables.read(table)
                .where(col("dataset_id").equalTo(datasetId).and(col("group_key").isNotNull()));
    }
}
