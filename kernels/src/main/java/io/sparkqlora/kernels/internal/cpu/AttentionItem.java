// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Attention;
import java.util.ArrayList;
import java.util.List;

/**
 * The work that one thread takes at a time: some queries of one sequence, for the query heads of one key/value head.
 *
 * @param queryStart row of the sequence's first query
 * @param keyStart row of its first key
 * @param queries its number of queries
 * @param keys its number of keys
 * @param kvHead the key/value head
 * @param from first query of the item, counted in the sequence
 * @param to end of the item's queries
 */
record AttentionItem(int queryStart, int keyStart, int queries, int keys, int kvHead, int from, int to) {

    /** Cuts a call into items of at most {@code chunk} queries, sequence by sequence, head by head. */
    static List<AttentionItem> of(Attention.Sequences sequences, int kvHeads, int chunk) {
        List<AttentionItem> items = new ArrayList<>();
        int[] queryStarts = sequences.queryStarts();
        int[] keyStarts = sequences.keyStarts();
        for (int s = 0; s + 1 < queryStarts.length; s++) {
            int queries = queryStarts[s + 1] - queryStarts[s];
            int keys = keyStarts[s + 1] - keyStarts[s];
            for (int head = 0; head < kvHeads; head++) {
                for (int from = 0; from < queries; from += chunk) {
                    int to = (int) Math.min(queries, (long) from + chunk);
                    items.add(new AttentionItem(queryStarts[s], keyStarts[s], queries, keys, head, from, to));
                }
            }
        }
        return items;
    }

    /** Keys before {@code end} are all that its queries see. */
    int keysSeen() {
        return position(to - 1) + 1;
    }

    /** Where query {@code query} stands among the keys. */
    int position(int query) {
        return keys - queries + query;
    }

    /** The first key that query {@code query} sees. */
    int firstKey(int query, int window) {
        return window == 0 ? 0 : Math.max(0, position(query) - window + 1);
    }
}
