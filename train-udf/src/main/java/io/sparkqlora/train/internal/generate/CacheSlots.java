// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import java.util.List;

/**
 * Where each prompt's keys and values lie in a cache: rows {@code starts[i]} to {@code starts[i + 1]} are prompt i's, as many
 * as it can ever have tokens.
 */
@SuppressWarnings("ArrayRecordComponent")
record CacheSlots(int[] starts) {

    /**
     * @param maxNewTokens tokens that may follow each prompt
     */
    static CacheSlots of(List<int[]> prompts, int maxNewTokens) {
        int[] starts = new int[prompts.size() + 1];
        for (int i = 0; i < prompts.size(); i++) {
            // the last new token is never fed back, so it needs no row
            starts[i + 1] = Math.addExact(starts[i], prompts.get(i).length + maxNewTokens - 1);
        }
        return new CacheSlots(starts);
    }

    /** First row of a prompt. */
    int start(int prompt) {
        return starts[prompt];
    }

    /** Rows of the cache. */
    int rows() {
        return starts[starts.length - 1];
    }
}
