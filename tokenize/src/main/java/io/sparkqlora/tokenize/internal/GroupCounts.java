// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Row;

/**
 * What a group's rows came to before they are packed.
 *
 * @param tokens of its sequences
 * @param targetTokens of its sequences
 * @param hyperparameters as in {@link io.sparkqlora.tokenize.TokenGroup}
 * @param rejected its rows by reason
 */
record GroupCounts(long tokens, long targetTokens, String hyperparameters, SortedMap<String, Long> rejected) {

    /** The first of its rows' hyper-parameters in the order of texts, and the last. */
    static final String LEAST = "least_hyperparameters";

    static final String MOST = "most_hyperparameters";

    /** Of rows by reason and group; those of no group are left out. */
    static SortedMap<String, GroupCounts> byKey(List<Row> rows) {
        SortedMap<String, GroupCounts> groups = new TreeMap<>();
        for (Row row : rows) {
            String key = row.getAs(TokenizedRows.GROUP);
            if (key != null) {
                GroupCounts before = groups.getOrDefault(key, new GroupCounts(0, 0, null, new TreeMap<>()));
                groups.put(key, before.with(row));
            }
        }
        return groups;
    }

    private GroupCounts with(Row row) {
        String reason = row.getAs(TokenizedRows.REASON);
        if (reason != null) {
            rejected.put(reason, row.getAs("count"));
            return this;
        }
        return new GroupCounts(
                row.<Long>getAs(TokenizedRows.NUM_TOKENS),
                row.<Long>getAs(TokenizedRows.NUM_TARGET_TOKENS),
                said(row.getAs(LEAST), row.getAs(MOST)),
                rejected);
    }

    private static String said(String least, String most) {
        return Objects.equals(least, most) ? least : "[" + least + "," + most + "]";
    }
}
