// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;

/** A payload of F32 that is added to what is there, block by block while the rest is still on its way. */
final class Adding implements Receipt {

    /** What is added at once: small enough for a core's caches. */
    static final int BLOCK_BYTES = 64 << 10;

    private static final int BLOCK = BLOCK_BYTES / Float.BYTES;

    private final ByteBuffer block;
    private final FloatBuffer target;
    private final float[] mine = new float[BLOCK];
    private final float[] theirs = new float[BLOCK];
    private int place;

    /**
     * @param block direct, of {@link #BLOCK_BYTES}, used while this receives
     * @param target the elements to add to, in little-endian order
     */
    Adding(ByteBuffer block, ByteBuffer target) {
        this.block = block.order(ByteOrder.LITTLE_ENDIAN).clear().limit(0);
        this.target = target.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    }

    @Override
    public boolean accepts(int length) {
        return length == target.remaining() * Float.BYTES;
    }

    @Override
    public ByteBuffer room() {
        if (block.hasRemaining()) {
            return block;
        }
        add(block.flip().asFloatBuffer());
        int left = target.limit() - place;
        block.clear().limit(Math.min(BLOCK, left) * Float.BYTES);
        return left == 0 ? null : block;
    }

    private void add(FloatBuffer values) {
        int count = values.remaining();
        values.get(theirs, 0, count);
        target.get(place, mine, 0, count);
        for (int i = 0; i < count; i++) {
            mine[i] = theirs[i] + mine[i];
        }
        target.put(place, mine, 0, count);
        place += count;
    }
}
