// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.Collective;
import io.sparkqlora.train.internal.model.HostBatch;
import java.util.List;

/**
 * What a step goes over.
 *
 * @param tokens that go through the model
 * @param targets that count
 * @param pairs of sequences, where they are pairs
 * @param rounds the most micro-batches of a rank
 */
record TokenCounts(long tokens, long targets, long pairs, int rounds) {

    static TokenCounts of(List<HostBatch> batches) {
        return new TokenCounts(
                batches.stream().mapToLong(HostBatch::tokens).sum(),
                batches.stream().mapToLong(b -> b.targetRows().length).sum(),
                batches.stream().mapToLong(HostBatch::pairs).sum(),
                batches.size());
    }

    /** Those of all ranks. */
    TokenCounts ofAll(Collective collective) {
        long allTokens = 0;
        long allTargets = 0;
        long allPairs = 0;
        long most = 0;
        for (long[] rank : collective.allGather(tokens, targets, pairs, rounds)) {
            allTokens += rank[0];
            allTargets += rank[1];
            allPairs += rank[2];
            most = Math.max(most, rank[3]);
        }
        return new TokenCounts(allTokens, allTargets, allPairs, (int) most);
    }
}
