// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;

/**
 * F32 values in as many parts as there are ranks, as even as they come; some are empty where there are fewer values.
 *
 * @param values from position 0 to the limit
 * @param parts how many
 */
record Segments(ByteBuffer values, int parts) {

    /** A view of a segment; the index is taken modulo their number. */
    ByteBuffer get(int index) {
        int segment = Math.floorMod(index, parts);
        int from = start(segment);
        return values.slice(from, start(segment + 1) - from);
    }

    private int start(int segment) {
        long elements = values.limit() / Float.BYTES;
        return (int) (elements * segment / parts) * Float.BYTES;
    }
}
