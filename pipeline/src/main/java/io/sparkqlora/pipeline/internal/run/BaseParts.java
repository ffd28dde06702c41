// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.Collective;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.stream.IntStream;

/** Which rank of a chunk has which part of a sharded base: the one that is in its memory already, if it can be. */
final class BaseParts {

    /** The part of a rank that has none in its memory. */
    static final int NONE = -1;

    private BaseParts() {}

    /**
     * This rank's part.
     *
     * @param held what is in its memory, or {@link #NONE}
     */
    static int agree(Collective collective, int held) {
        return assign(all(collective, held))[collective.rank()];
    }

    private static int[] all(Collective collective, int held) {
        return Arrays.stream(collective.allGather(held))
                .mapToInt(rank -> (int) rank[0])
                .toArray();
    }

    /**
     * Whether nobody has to load anything: every rank holds a base, or a part of it and no two the same.
     *
     * @param held what is in this rank's memory, or {@link #NONE}
     * @param sharded whether that is a part
     */
    static boolean complete(Collective collective, int held, boolean sharded) {
        return complete(all(collective, held), sharded);
    }

    static boolean complete(int[] held, boolean sharded) {
        return Arrays.stream(held).noneMatch(part -> part == NONE) && (!sharded || Arrays.equals(assign(held), held));
    }

    /** Parts by rank. A part that two ranks hold is the first one's; what nobody holds goes to the others, in order. */
    static int[] assign(int[] held) {
        int[] parts = new int[held.length];
        Arrays.fill(parts, NONE);
        Deque<Integer> left =
                new ArrayDeque<>(IntStream.range(0, held.length).boxed().toList());
        for (int rank = 0; rank < held.length; rank++) {
            if (left.remove(held[rank])) {
                parts[rank] = held[rank];
            }
        }
        for (int rank = 0; rank < held.length; rank++) {
            if (parts[rank] == NONE) {
                parts[rank] = left.remove();
            }
        }
        return parts;
    }
}
