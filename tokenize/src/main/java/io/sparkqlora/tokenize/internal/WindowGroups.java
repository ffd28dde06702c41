// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.TokenGroup;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.apache.spark.sql.Row;

/**
 * Which group a window is of, and what groups have in the end.
 *
 * @param plan whose windows they are
 * @param counts of groups, by key
 */
record WindowGroups(PackPlan plan, SortedMap<String, GroupCounts> counts) {

    /** The key of a window's group, or null. */
    String key(int window) {
        return plan.groupOf(window);
    }

    /** What its rows say, or null. */
    String hyperparameters(int window) {
        return plan.grouped() ? counts.get(key(window)).hyperparameters() : null;
    }

    /**
     * All groups, by key.
     *
     * @param rowsOfWindows (window, packed rows, tokens of the longest), in the order of windows
     */
    List<TokenGroup> all(List<Row> rowsOfWindows) {
        Map<String, TokenGroup> groups = new TreeMap<>();
        counts.forEach((key, count) -> groups.put(key, TokenGroup.allRejected(key, count.rejected())));
        long next = 0;
        for (Row window : rowsOfWindows) {
            String key = key(window.getInt(0));
            if (key != null) {
                groups.put(key, with(groups.get(key), counts.get(key), next, window));
            }
            next += window.getLong(1);
        }
        return new ArrayList<>(groups.values());
    }

    private static TokenGroup with(TokenGroup before, GroupCounts count, long firstRow, Row window) {
        return new TokenGroup(
                before.key(),
                count.hyperparameters(),
                before.rows() == 0 ? firstRow : before.firstRow(),
                before.rows() + window.getLong(1),
                Math.max(before.maxNumTokens(), window.getInt(2)),
                count.tokens(),
                count.targetTokens(),
                count.rejected());
    }
}
