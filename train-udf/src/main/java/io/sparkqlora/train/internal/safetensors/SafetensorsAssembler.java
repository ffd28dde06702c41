// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Writes a new safetensors file whose tensors come in any order, and behind them texts whose length is known only when they come:
 * the place of the header is kept free.
 */
public final class SafetensorsAssembler implements AutoCloseable {

    private final FileChannel channel;
    private final Map<String, TensorInfo> tensors;
    private final Map<String, String> metadata;
    private final Deque<String> missingTexts;
    private final Map<String, Long> places = new HashMap<>();
    private final long start;
    private long written;
    private long end;

    /**
     * Begins a file.
     *
     * @param tensors in the order of their storage
     * @param texts names of the U8 vectors behind them
     * @param mostTextBytes of one of these
     */
    public SafetensorsAssembler(
            Path file,
            Map<String, TensorInfo> tensors,
            Collection<String> texts,
            long mostTextBytes,
            Map<String, String> metadata)
            throws IOException {
        this.tensors = new LinkedHashMap<>(tensors);
        this.metadata = metadata;
        this.missingTexts = new ArrayDeque<>(texts);
        Map<String, TensorInfo> most = new LinkedHashMap<>(tensors);
        texts.forEach(text -> most.put(text, new TensorInfo(DType.U8, List.of(mostTextBytes))));
        start = SafetensorsWriter.header(most, metadata, 0).remaining();
        tensors.forEach((name, info) -> {
            places.put(name, end);
            end += info.bytes();
        });
        channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    /** Takes the bytes of a tensor, from its beginning. */
    public Sink at(String tensor) {
        long[] place = {places.get(tensor)};
        long limit = place[0] + tensors.get(tensor).bytes();
        return bytes -> {
            place[0] = write(bytes, place[0]);
            if (place[0] > limit) {
                throw new IllegalStateException(tensor + " reaches to " + place[0] + ", not " + limit);
            }
        };
    }

    /** Takes the next text. */
    public void text(String name, byte[] bytes) throws IOException {
        if (!name.equals(missingTexts.poll())) {
            throw new IllegalStateException(name + " is not the next text");
        }
        tensors.put(name, new TensorInfo(DType.U8, List.of((long) bytes.length)));
        end = write(ByteBuffer.wrap(bytes), end);
    }

    private long write(ByteBuffer bytes, long at) throws IOException {
        written += bytes.remaining();
        long place = at;
        while (bytes.hasRemaining()) {
            place += channel.write(bytes, start + place);
        }
        return place;
    }

    /**
     * Writes the header, when everything is there.
     *
     * @return bytes of the tensors
     */
    public long finish() throws IOException {
        if (written != end || !missingTexts.isEmpty()) {
            throw new IllegalStateException(written + " of " + end + " bytes were written, " + missingTexts);
        }
        ByteBuffer header = SafetensorsWriter.header(tensors, metadata, start);
        long place = 0;
        while (header.hasRemaining()) {
            place += channel.write(header, place);
        }
        return end;
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}
