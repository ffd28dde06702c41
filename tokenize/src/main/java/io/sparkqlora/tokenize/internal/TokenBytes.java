// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A sequence as bytes, as it travels between the stages of the job: its token ids (little-endian), then a bit for each that
 * says whether it counts. About half of what two arrays of int take, and no boxing in Spark's row encoders.
 */
final class TokenBytes {

    /** The label of a token that doesn't count in the loss, PyTorch's {@code ignore_index}. */
    static final int IGNORED = -100;

    private TokenBytes() {}

    /** The bytes of a sequence whose labels are its own ids or {@link #IGNORED}. */
    static byte[] encode(int[] inputIds, int[] labels) {
        int count = inputIds.length;
        byte[] bytes = new byte[Integer.BYTES * count + (count + 7) / 8];
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.asIntBuffer().put(inputIds);
        for (int i = 0; i < count; i++) {
            if (labels[i] == inputIds[i]) {
                bytes[Integer.BYTES * count + i / 8] |= (byte) (1 << (i % 8));
            } else if (labels[i] != IGNORED) {
                throw new IllegalStateException(
                        "label " + labels[i] + " of token " + inputIds[i] + " at " + i + " is neither its id nor -100");
            }
        }
        return bytes;
    }

    /** Puts a sequence's ids and labels at an offset; gives the offset after it. */
    static int decode(byte[] bytes, int count, int[] inputIds, int[] labels, int offset) {
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(inputIds, offset, count);
        for (int i = 0; i < count; i++) {
            boolean counts = (bytes[Integer.BYTES * count + i / 8] >> (i % 8) & 1) != 0;
            labels[offset + i] = counts ? inputIds[offset + i] : IGNORED;
        }
        return offset + count;
    }
}
