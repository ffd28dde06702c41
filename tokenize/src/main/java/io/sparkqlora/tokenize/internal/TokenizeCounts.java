// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.bit_xor;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;
import static org.apache.spark.sql.functions.xxhash64;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * What one aggregation over the tokenised rows tells.
 *
 * @param sequences rows that became a sequence
 * @param truncated sequences that were cut
 * @param tokens of all sequences
 * @param targetTokens of all sequences
 * @param rejected rows by reason
 * @param example one rejected row's reason and detail, or null
 * @param contentHash of all rows, whatever their order
 * @param groups by key; empty where rows have none
 */
public record TokenizeCounts(
        long sequences,
        long truncated,
        long tokens,
        long targetTokens,
        Map<String, Long> rejected,
        String example,
        String contentHash,
        SortedMap<String, GroupCounts> groups) {

    private static final String COUNT = "count";
    private static final String FIRST_DETAIL = "first_detail";

    /** Runs the aggregation, and with it the tokenising. */
    public static TokenizeCounts of(Dataset<Row> tokenized, boolean grouped) {
        Column xor0 = xxhash64(hashed(grouped, TokenizedRows.KEY_0));
        Column xor1 = xxhash64(hashed(grouped, TokenizedRows.KEY_1, lit(1)));
        Column[] keys = grouped
                ? new Column[] {col(TokenizedRows.REASON), col(TokenizedRows.GROUP)}
                : new Column[] {col(TokenizedRows.REASON)};
        List<Row> rows = tokenized
                .groupBy(keys)
                .agg(
                        count(lit(1)).as(COUNT),
                        zeroIfNull(sum(when(col(TokenizedRows.TRUNCATED), 1L))).as(TokenizedRows.TRUNCATED),
                        zeroIfNull(sum(TokenizedRows.NUM_TOKENS)).as(TokenizedRows.NUM_TOKENS),
                        zeroIfNull(sum(TokenizedRows.NUM_TARGET_TOKENS)).as(TokenizedRows.NUM_TARGET_TOKENS),
                        min(TokenizedRows.DETAIL).as(FIRST_DETAIL),
                        bit_xor(xor0),
                        bit_xor(xor1),
                        min(TokenizedRows.HYPERPARAMETERS).as(GroupCounts.LEAST),
                        max(TokenizedRows.HYPERPARAMETERS).as(GroupCounts.MOST))
                .drop(grouped ? new String[0] : new String[] {GroupCounts.LEAST, GroupCounts.MOST})
                .collectAsList();
        return of(sorted(rows, grouped), grouped);
    }

    /** What makes a row another one; rows without groups are hashed as before there were any. */
    private static Column[] hashed(boolean grouped, String key, Column... more) {
        List<Column> columns = new ArrayList<>(List.of(col(key), col(TokenizedRows.SOURCE_ROW)));
        columns.addAll(List.of(more));
        if (grouped) {
            columns.add(col(TokenizedRows.HYPERPARAMETERS));
        }
        return columns.toArray(Column[]::new);
    }

    /** The order decides the example and the hash. */
    private static List<Row> sorted(List<Row> rows, boolean grouped) {
        Comparator<String> nullsFirst = Comparator.nullsFirst(String::compareTo);
        Comparator<Row> byReason = Comparator.comparing(row -> row.getString(0), nullsFirst);
        return rows.stream()
                .sorted(grouped ? byReason.thenComparing(row -> row.getString(1), nullsFirst) : byReason)
                .toList();
    }

    private static Column zeroIfNull(Column sum) {
        return coalesce(sum, lit(0L));
    }

    private static TokenizeCounts of(List<Row> rows, boolean grouped) {
        StringBuilder content = new StringBuilder();
        rows.forEach(row -> content.append(row).append('\n'));
        List<Row> good = rows.stream().filter(row -> row.isNullAt(0)).toList();
        Map<String, Long> rejected = new TreeMap<>();
        rows.stream()
                .filter(row -> !row.isNullAt(0))
                .forEach(row -> rejected.merge(row.getString(0), row.getAs(COUNT), Long::sum));
        return new TokenizeCounts(
                total(good, COUNT),
                total(good, TokenizedRows.TRUNCATED),
                total(good, TokenizedRows.NUM_TOKENS),
                total(good, TokenizedRows.NUM_TARGET_TOKENS),
                rejected,
                example(rows, rejected),
                Hashes.hex(content.toString()),
                grouped ? GroupCounts.byKey(rows) : new TreeMap<>());
    }

    private static long total(List<Row> rows, String column) {
        return rows.stream().mapToLong(row -> row.<Long>getAs(column)).sum();
    }

    /** One row of the most frequent reason, the first of equals. */
    private static String example(List<Row> rows, Map<String, Long> rejected) {
        long most = rejected.values().stream().mapToLong(Long::longValue).max().orElse(0);
        return rows.stream()
                .filter(row -> !row.isNullAt(0) && rejected.get(row.getString(0)) == most)
                .map(row -> row.getString(0) + ": " + row.<String>getAs(FIRST_DETAIL))
                .findFirst()
                .orElse(null);
    }

    /** All rows, used or not. */
    public long rows() {
        return sequences + rejected.values().stream().mapToLong(Long::longValue).sum();
    }
}
