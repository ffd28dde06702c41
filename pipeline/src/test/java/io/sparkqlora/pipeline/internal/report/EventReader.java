// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads event files by their definition: checksums bit by bit, protocol buffers field by field. */
public final class EventReader {

    private EventReader() {}

    /** A field of a message: a number, or bytes. */
    private record Field(int number, int type, long value, byte[] bytes) {}

    /** What an event says. */
    public record Read(double wallTime, long step, String version, Map<String, Float> scalars) {}

    /** The events of a file. */
    public static List<Read> read(Path file) {
        ByteBuffer in = ByteBuffer.wrap(bytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<Read> events = new ArrayList<>();
        while (in.hasRemaining()) {
            byte[] length = take(in, Long.BYTES);
            assertThat(in.getInt()).isEqualTo(masked(length));
            byte[] data = take(in, (int)
                    ByteBuffer.wrap(length).order(ByteOrder.LITTLE_ENDIAN).getLong());
            assertThat(in.getInt()).isEqualTo(masked(data));
            events.add(event(data));
        }
        return events;
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] take(ByteBuffer in, int count) {
        byte[] bytes = new byte[count];
        in.get(bytes);
        return bytes;
    }

    static int crc32c(byte[] data) {
        int crc = ~0;
        for (byte each : data) {
            crc ^= each & 0xFF;
            for (int bit = 0; bit < 8; bit++) {
                crc = (crc >>> 1) ^ ((crc & 1) == 0 ? 0 : 0x82F63B78);
            }
        }
        return ~crc;
    }

    private static int masked(byte[] data) {
        int crc = crc32c(data);
        return ((crc >>> 15) | (crc << 17)) + 0xA282EAD8;
    }

    private static Read event(byte[] data) {
        double wallTime = 0;
        long step = 0;
        String version = null;
        Map<String, Float> scalars = new LinkedHashMap<>();
        for (Field field : fields(data)) {
            switch (field.number()) {
                case 1 -> wallTime = Double.longBitsToDouble(field.value());
                case 2 -> step = field.value();
                case 3 -> version = new String(field.bytes(), StandardCharsets.UTF_8);
                case 5 -> fields(field.bytes()).forEach(value -> scalar(value.bytes(), scalars));
                default -> throw new AssertionError("field " + field.number());
            }
        }
        return new Read(wallTime, step, version, scalars);
    }

    private static void scalar(byte[] data, Map<String, Float> into) {
        List<Field> fields = fields(data);
        into.put(new String(fields.get(0).bytes(), StandardCharsets.UTF_8), Float.intBitsToFloat((int)
                fields.get(1).value()));
    }

    private static List<Field> fields(byte[] data) {
        ByteBuffer in = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        List<Field> fields = new ArrayList<>();
        while (in.hasRemaining()) {
            long key = varint(in);
            int type = (int) (key & 7);
            byte[] bytes = type == 2 ? take(in, (int) varint(in)) : null;
            long value =
                    switch (type) {
                        case 0 -> varint(in);
                        case 1 -> in.getLong();
                        case 2 -> 0;
                        case 5 -> in.getInt();
                        default -> throw new AssertionError("type " + type);
                    };
            fields.add(new Field((int) (key >> 3), type, value, bytes));
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long value = 0;
        int shift = 0;
        byte next;
        do {
            next = in.get();
            value |= (long) (next & 0x7F) << shift;
            shift += 7;
        } while (next < 0);
        return value;
    }
}
