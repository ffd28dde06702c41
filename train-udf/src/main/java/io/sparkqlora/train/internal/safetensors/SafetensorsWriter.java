// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Writes safetensors files: the same tensors always give the same bytes. */
public final class SafetensorsWriter {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ALIGNMENT = 8;

    private SafetensorsWriter() {}

    /** Writes a new file; wide types first and names in order, as the reference implementation does. */
    public static void write(Path file, List<NamedTensor> tensors, Map<String, String> metadata) throws IOException {
        List<NamedTensor> ordered = tensors.stream()
                .sorted(Comparator.<NamedTensor>comparingInt(t -> -t.dtype().bytes())
                        .thenComparing(NamedTensor::name))
                .toList();
        Map<String, TensorInfo> infos = new LinkedHashMap<>();
        ordered.forEach(t -> infos.put(
                t.name(),
                new TensorInfo(t.dtype(), Arrays.stream(t.shape()).boxed().toList())));
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writeFully(channel, header(infos, metadata, 0));
            for (NamedTensor tensor : ordered) {
                writeFully(channel, ByteBuffer.wrap(tensor.data()));
            }
        }
    }

    /** Writes the bytes of one tensor after another. */
    public interface Body {
        /** All bytes of the tensor, in pieces of any size. */
        void write(String tensor, Sink sink) throws IOException;
    }

    /** Takes bytes. */
    public interface Sink {
        /** Takes all that remains. */
        void write(ByteBuffer bytes) throws IOException;
    }

    /** Writes a new file of tensors that need not be there at once, in the map's order. */
    public static void write(Path file, Map<String, TensorInfo> tensors, Map<String, String> metadata, Body body)
            throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            writeFully(channel, header(tensors, metadata, 0));
            long end = channel.position();
            for (Map.Entry<String, TensorInfo> tensor : tensors.entrySet()) {
                body.write(tensor.getKey(), bytes -> writeFully(channel, bytes));
                end += tensor.getValue().bytes();
                if (channel.position() != end) {
                    throw new IllegalStateException(
                            tensor.getKey() + " ends at " + channel.position() + ", not " + end);
                }
            }
        }
    }

    /**
     * The header of tensors in the order of their storage.
     *
     * @param least the fewest bytes that it has, its length included
     */
    static ByteBuffer header(Map<String, TensorInfo> tensors, Map<String, String> metadata, long least) {
        ObjectNode root = JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            root.set("__metadata__", JSON.valueToTree(new TreeMap<>(metadata)));
        }
        long offset = 0;
        for (Map.Entry<String, TensorInfo> tensor : tensors.entrySet()) {
            TensorInfo info = tensor.getValue();
            ObjectNode entry = root.putObject(tensor.getKey());
            entry.put("dtype", info.dtype().name());
            entry.set("shape", JSON.valueToTree(info.shape()));
            entry.putArray("data_offsets").add(offset).add(offset + info.bytes());
            offset += info.bytes();
        }
        return padded(json(root).getBytes(StandardCharsets.UTF_8), least - Long.BYTES);
    }

    /** Length and JSON, filled up with spaces so that the tensors are aligned. */
    private static ByteBuffer padded(byte[] json, long least) {
        int length = Math.toIntExact(Math.max(least, (json.length + ALIGNMENT - 1L) / ALIGNMENT * ALIGNMENT));
        ByteBuffer buffer = ByteBuffer.allocate(Long.BYTES + length).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putLong(length).put(json);
        while (buffer.hasRemaining()) {
            buffer.put((byte) ' ');
        }
        return buffer.flip();
    }

    private static String json(ObjectNode node) {
        try {
            return JSON.writeValueAsString(node);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
