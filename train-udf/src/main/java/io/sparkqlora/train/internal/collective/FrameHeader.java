// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What stands before every payload: 32 bytes, little-endian: magic, type, length, hop (I32 each), step, operation (I64).
 *
 * @param type what follows
 * @param length bytes of payload
 * @param hop of the operation, from 0
 * @param step the optimizer step that the operation belongs to
 * @param operation number of the collective's call, from 1
 */
record FrameHeader(Type type, int length, int hop, long step, long operation) {

    static final int BYTES = 32;

    private static final int MAGIC = 0x3152_4c51; // "QLR1"

    enum Type {
        /** Who wants to join; to the next rank. */
        HELLO,
        /** The answer. */
        WELCOME,
        /** Part of a sum. */
        REDUCE,
        /** A whole sum, passed on. */
        SPREAD,
        /** Part of an all-gather. */
        GATHER,
        /** Part of an all-gather in place. */
        FILL,
        /** A sign of life of a rank that waits itself; no payload. */
        WAITING,
        /** The first failure. */
        ABORT
    }

    /** A frame that is no part of an operation. */
    static FrameHeader control(Type type, int length) {
        return new FrameHeader(type, length, 0, 0, 0);
    }

    /** Ready to be written. */
    ByteBuffer encoded() {
        ByteBuffer bytes = ByteBuffer.allocateDirect(BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putInt(MAGIC).putInt(type.ordinal()).putInt(length).putInt(hop);
        return bytes.putLong(step).putLong(operation).flip();
    }

    /** Reads a header; null if it is none. */
    static FrameHeader decode(ByteBuffer bytes) {
        int magic = bytes.getInt(0);
        int type = bytes.getInt(Integer.BYTES);
        int length = bytes.getInt(2 * Integer.BYTES);
        if (magic != MAGIC || type < 0 || type >= Type.values().length || length < 0) {
            return null;
        }
        return new FrameHeader(
                Type.values()[type],
                length,
                bytes.getInt(3 * Integer.BYTES),
                bytes.getLong(4 * Integer.BYTES),
                bytes.getLong(4 * Integer.BYTES + Long.BYTES));
    }

    boolean sameCall(FrameHeader other) {
        return type == other.type && hop == other.hop && step == other.step && operation == other.operation;
    }

    /** The call, for people. */
    String call() {
        return type + " " + operation + "." + hop + " of step " + step;
    }
}
