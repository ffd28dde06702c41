// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Just enough of the safetensors format for reference data. */
final class SafetensorsFile {

    private static final Pattern ENTRY = Pattern.compile(
            "\"([^\"]+)\":\\{\"dtype\":\"(\\w+)\",\"shape\":\\[([\\d,]*)],\"data_offsets\":\\[(\\d+),(\\d+)]}");

    /** One tensor; {@code data} is little-endian. */
    @SuppressWarnings("ArrayRecordComponent")
    record Entry(DType dtype, long[] shape, byte[] data) {

        ByteBuffer buffer() {
            return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
        }

        float[] floats() {
            float[] out = new float[data.length / 4];
            buffer().asFloatBuffer().get(out);
            return out;
        }

        String text() {
            return new String(data, StandardCharsets.UTF_8);
        }
    }

    final Map<String, Entry> entries = new TreeMap<>();

    SafetensorsFile(Path path) {
        ByteBuffer file = ByteBuffer.wrap(read(path)).order(ByteOrder.LITTLE_ENDIAN);
        int headerSize = (int) file.getLong();
        String header = new String(file.array(), 8, headerSize, StandardCharsets.UTF_8);
        Matcher matcher = ENTRY.matcher(header);
        while (matcher.find()) {
            long[] shape = matcher.group(3).isEmpty()
                    ? new long[0]
                    : Arrays.stream(matcher.group(3).split(","))
                            .mapToLong(Long::parseLong)
                            .toArray();
            int from = 8 + headerSize + Integer.parseInt(matcher.group(4));
            int to = 8 + headerSize + Integer.parseInt(matcher.group(5));
            entries.put(
                    matcher.group(1),
                    new Entry(DType.valueOf(matcher.group(2)), shape, Arrays.copyOfRange(file.array(), from, to)));
        }
    }

    private static byte[] read(Path path) {
        try {
            return Files.readAllBytes(path);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Entry get(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw new IllegalArgumentException("no tensor " + name + " among " + entries.keySet());
        }
        return entry;
    }
}
