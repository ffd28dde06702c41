// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a group has in token shards. Its packed rows stand side by side: they are row {@code firstRow} and those after it, and
 * what they hold depends on the group's own rows and the options alone.
 *
 * @param key of the group
 * @param hyperparameters what its rows say, as a JSON value with sorted names; a JSON array of two where they disagree; null
 *     without such a column, or without a usable row
 * @param firstRow {@code row_index} of its first packed row
 * @param rows packed rows; 0 if all of its source rows were rejected
 * @param maxNumTokens of the longest packed row
 * @param numTokens of all
 * @param numTargetTokens tokens that count in the loss
 * @param rejectedByReason its source rows that can't be used
 */
public record TokenGroup(
        String key,
        String hyperparameters,
        long firstRow,
        long rows,
        int maxNumTokens,
        long numTokens,
        long numTargetTokens,
        SortedMap<String, Long> rejectedByReason) {

    /** Copies the map. */
    public TokenGroup {
        rejectedByReason = Collections.unmodifiableSortedMap(new TreeMap<>(rejectedByReason));
    }

    /** A group without a usable row. */
    public static TokenGroup allRejected(String key, Map<String, Long> rejectedByReason) {
        return new TokenGroup(key, null, 0, 0, 0, 0, 0, new TreeMap<>(rejectedByReason));
    }
}
