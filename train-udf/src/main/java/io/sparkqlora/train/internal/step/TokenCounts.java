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
 */
record TokenCounts(long tokens, long targets) {

    static TokenCounts of(List<HostBatch> batches) {
        return new TokenCounts(
                batches.stream().mapToLong(HostBatch::tokens).sum(),
                batches.stream().mapToLong(b -> b.targetRows().length).sum());
    }

    /** Those of all ranks. */
    TokenCounts ofAll(Collective collective) {
        long allTokens = 0;
        long allTargets = 0;
        for (long[] rank : collective.allGather(tokens, targets)) {
            allTokens += rank[0];
            allTargets += rank[1];
        }
        return new TokenCounts(allTokens, allTargets);
    }
}
