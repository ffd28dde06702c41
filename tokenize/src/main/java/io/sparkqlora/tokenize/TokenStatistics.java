// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What became of a source's rows.
 *
 * @param rows read
 * @param rejectedRows that can't be used
 * @param rejectedByReason the same, by reason
 * @param sequences rows that became a sequence, or a pair of them
 * @param truncatedSequences sequences that were cut at {@code max_seq_length}
 * @param packedRows rows of token shards
 * @param maxNumTokens of the longest row of token shards
 * @param tokens of all sequences
 * @param targetTokens tokens that count in the loss
 * @param fillRatio {@code tokens / (packedRows · max_seq_length)}; of rows of pairs, of twice that
 */
public record TokenStatistics(
        long rows,
        long rejectedRows,
        Map<String, Long> rejectedByReason,
        long sequences,
        long truncatedSequences,
        long packedRows,
        int maxNumTokens,
        long tokens,
        long targetTokens,
        double fillRatio) {

    public TokenStatistics {
        rejectedByReason = Collections.unmodifiableMap(new TreeMap<>(rejectedByReason));
    }
}
