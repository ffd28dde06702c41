// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * TensorBoard's events as protocol buffers: {@code Event} has wall_time = 1 (double, seconds), step = 2, file_version = 3 and
 * summary = 5; {@code Summary} has values = 1 of tag = 1 and simple_value = 2 (float) (tensorflow/core/util/event.proto,
 * tensorflow/core/framework/summary.proto).
 */
final class Event {

    private static final int VARINT = 0;
    private static final int FIXED_64 = 1;
    private static final int BYTES = 2;
    private static final int FIXED_32 = 5;

    private static final int SUMMARY = 5;
    private static final int LOW_BITS = 0x7F;

    private Event() {}

    /** The first event of a file. */
    static byte[] version(double wallTime) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        wallTime(wallTime, out);
        bytes(3, "brain.Event:2".getBytes(StandardCharsets.UTF_8), out);
        return out.toByteArray();
    }

    /** Numbers of one step, by tag. */
    static byte[] scalars(double wallTime, long step, Map<String, Double> values) {
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        values.forEach((tag, value) -> bytes(1, value(tag, value), summary));
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        wallTime(wallTime, out);
        key(2, VARINT, out);
        varint(step, out);
        bytes(SUMMARY, summary.toByteArray(), out);
        return out.toByteArray();
    }

    private static byte[] value(String tag, double number) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        bytes(1, tag.getBytes(StandardCharsets.UTF_8), out);
        key(2, FIXED_32, out);
        out.writeBytes(ByteBuffer.allocate(Float.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat((float) number)
                .array());
        return out.toByteArray();
    }

    private static void wallTime(double seconds, ByteArrayOutputStream out) {
        key(1, FIXED_64, out);
        out.writeBytes(ByteBuffer.allocate(Double.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putDouble(seconds)
                .array());
    }

    private static void bytes(int field, byte[] value, ByteArrayOutputStream out) {
        key(field, BYTES, out);
        varint(value.length, out);
        out.writeBytes(value);
    }

    private static void key(int field, int type, ByteArrayOutputStream out) {
        out.write((field << 3) | type);
    }

    private static void varint(long value, ByteArrayOutputStream out) {
        long left = value;
        while ((left & ~LOW_BITS) != 0) {
            out.write((int) ((left & LOW_BITS) | (LOW_BITS + 1)));
            left >>>= 7;
        }
        out.write((int) left);
    }
}
