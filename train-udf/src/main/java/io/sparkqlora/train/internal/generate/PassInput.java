// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.train.internal.model.RopeTables;
import java.util.Arrays;
import java.util.List;

/**
 * The segments of one run through the model, laid out without padding.
 *
 * @param inputIds tokens
 * @param ropeRows of each token in the rotary embedding's tables
 * @param cacheRows where each token's key and value go
 * @param queryStarts of the attention's sequences; between the segments stand sequences without queries that pass over the
 *     cache's other rows
 * @param keyStarts the same for the cache's rows
 * @param lastRows rows of the hidden states whose logits are wanted, in the order of the segments
 */
@SuppressWarnings("ArrayRecordComponent")
record PassInput(int[] inputIds, int[] ropeRows, int[] cacheRows, int[] queryStarts, int[] keyStarts, int[] lastRows) {

    /**
     * @param segments of different prompts, in their order
     */
    static PassInput of(CacheSlots slots, RopeTables rope, List<Segment> segments) {
        Builder builder = new Builder(rope, segments);
        segments.forEach(segment -> builder.add(slots.start(segment.prompt()), segment));
        builder.skipTo(slots.rows());
        return builder.build();
    }

    /** One that takes the most buffers: {@code tokens} tokens, the logits of {@code rows} of them wanted. */
    static PassInput largest(int tokens, int rows, int prompts) {
        int[] ids = new int[tokens];
        int[] starts = new int[2 * prompts + 2];
        return new PassInput(ids, ids, ids, starts, starts, new int[rows]);
    }

    int tokens() {
        return inputIds.length;
    }

    private static final class Builder {

        private final RopeTables rope;
        private final int[] ids;
        private final int[] ropeRows;
        private final int[] cacheRows;
        private final int[] queryStarts;
        private final int[] keyStarts;
        private final int[] lastRows;
        private int tokens;
        private int sequences;
        private int wanted;

        Builder(RopeTables rope, List<Segment> segments) {
            this.rope = rope;
            int size = segments.stream().mapToInt(Segment::count).sum();
            ids = new int[size];
            ropeRows = new int[size];
            cacheRows = new int[size];
            queryStarts = new int[2 * segments.size() + 2];
            keyStarts = new int[2 * segments.size() + 2];
            lastRows = new int[segments.size()];
        }

        void add(int start, Segment segment) {
            skipTo(start);
            int to = segment.from() + segment.count();
            for (int position = segment.from(); position < to; position++) {
                ids[tokens] = segment.tokens()[position];
                ropeRows[tokens] = rope.row(position, segment.length());
                cacheRows[tokens++] = start + position;
            }
            end(start + to);
            if (segment.last()) {
                lastRows[wanted++] = tokens - 1;
            }
        }

        /** A sequence without queries up to that row of the cache. */
        void skipTo(int row) {
            if (row > keyStarts[sequences]) {
                end(row);
            }
        }

        private void end(int row) {
            sequences++;
            queryStarts[sequences] = tokens;
            keyStarts[sequences] = row;
        }

        PassInput build() {
            return new PassInput(
                    ids,
                    ropeRows,
                    cacheRows,
                    Arrays.copyOf(queryStarts, sequences + 1),
                    Arrays.copyOf(keyStarts, sequences + 1),
                    Arrays.copyOf(lastRows, wanted));
        }
    }
}
