// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.bit_xor;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;
import static org.apache.spark.sql.functions.xxhash64;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
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
 */
public record TokenizeCounts(
        long sequences,
        long truncated,
        long tokens,
        long targetTokens,
        Map<String, Long> rejected,
        String example,
        String contentHash) {

    /** Runs the aggregation, and with it the tokenising. */
    public static TokenizeCounts of(Dataset<Row> tokenized) {
        Column xor0 = xxhash64(col(TokenizedRows.KEY_0), col(TokenizedRows.SOURCE_ROW));
        Column xor1 = xxhash64(col(TokenizedRows.KEY_1), col(TokenizedRows.SOURCE_ROW), lit(1));
        List<Row> rows = tokenized
                .groupBy(TokenizedRows.REASON)
                .agg(
                        count(lit(1)),
                        zeroIfNull(sum(when(col(TokenizedRows.TRUNCATED), 1L))),
                        zeroIfNull(sum(TokenizedRows.NUM_TOKENS)),
                        zeroIfNull(sum(TokenizedRows.NUM_TARGET_TOKENS)),
                        min(TokenizedRows.DETAIL),
                        bit_xor(xor0),
                        bit_xor(xor1))
                .collectAsList()
                .stream()
                // the order decides the example and the hash
                .sorted(Comparator.comparing((Row row) -> row.getString(0), Comparator.nullsFirst(String::compareTo)))
                .toList();
        return of(rows);
    }

    private static Column zeroIfNull(Column sum) {
        return coalesce(sum, lit(0L));
    }

    private static TokenizeCounts of(List<Row> rows) {
        Map<String, Long> rejected = new TreeMap<>();
        StringBuilder content = new StringBuilder();
        String example = null;
        Row good = null;
        long most = 0;
        for (Row row : rows) {
            content.append(row).append('\n');
            if (row.isNullAt(0)) {
                good = row;
                continue;
            }
            rejected.put(row.getString(0), row.getLong(1));
            if (row.getLong(1) > most) {
                most = row.getLong(1);
                example = row.getString(0) + ": " + row.getString(5);
            }
        }
        return new TokenizeCounts(
                good == null ? 0 : good.getLong(1),
                good == null ? 0 : good.getLong(2),
                good == null ? 0 : good.getLong(3),
                good == null ? 0 : good.getLong(4),
                rejected,
                example,
                Hashes.hex(content.toString()));
    }

    /** All rows, used or not. */
    public long rows() {
        return sequences + rejected.values().stream().mapToLong(Long::longValue).sum();
    }
}
