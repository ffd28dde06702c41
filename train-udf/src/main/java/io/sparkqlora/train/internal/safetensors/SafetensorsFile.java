// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.WeightSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Set;

/**
 * A safetensors file, its header checked when it is opened and its tensors mapped into memory when they are read. The format
 * is a header length (8 bytes, little-endian), a JSON header, and the tensors' bytes.
 */
public final class SafetensorsFile implements WeightSource, AutoCloseable {

    /** What the reference implementation allows. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int LENGTH_BYTES = 8;

    private final Path path;
    private final FileChannel channel;
    private final SafetensorsHeader header;
    private final long dataStart;

    private SafetensorsFile(Path path, FileChannel channel, SafetensorsHeader header, long dataStart) {
        this.path = path;
        this.channel = channel;
        this.header = header;
        this.dataStart = dataStart;
    }

    /**
     * Opens a file.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if it is missing, cut short or inconsistent
     */
    public static SafetensorsFile open(Path path) {
        FileChannel channel = null;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ);
            SafetensorsFile file = read(path, channel);
            channel = null;
            return file;
        } catch (NoSuchFileException e) {
            throw TrainErrors.fileMissing(path, "check the path");
        } catch (IOException e) {
            throw TrainErrors.unreadable(path, e);
        } finally {
            closeQuietly(channel);
        }
    }

    private static SafetensorsFile read(Path path, FileChannel channel) throws IOException {
        long size = channel.size();
        if (size < LENGTH_BYTES) {
            throw TrainErrors.headerLength(path, "its first " + LENGTH_BYTES, size);
        }
        long length = readFully(channel, 0, LENGTH_BYTES).getLong();
        if (length < 0 || length > size - LENGTH_BYTES) {
            throw TrainErrors.headerLength(path, Long.toUnsignedString(length), size);
        }
        if (length > MAX_HEADER_BYTES) {
            throw TrainErrors.headerInvalid(path, "it has " + length + " bytes, over " + MAX_HEADER_BYTES, null);
        }
        long dataStart = LENGTH_BYTES + length;
        ByteBuffer json = readFully(channel, LENGTH_BYTES, (int) length);
        return new SafetensorsFile(path, channel, HeaderParser.parse(path, json, size - dataStart), dataStart);
    }

    private static ByteBuffer readFully(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                throw new IOException("it ends at byte " + (position + buffer.position()));
            }
        }
        return buffer.flip();
    }

    /** Where it lies. */
    public Path path() {
        return path;
    }

    /** Free text by key. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    @Override
    public Set<String> names() {
        return header.tensors().keySet();
    }

    @Override
    public TensorInfo info(String name) {
        return entry(name).info();
    }

    @Override
    public ByteBuffer readRows(String name, long from, long to) {
        TensorEntry entry = entry(name);
        TensorInfo info = entry.info();
        if (from < 0 || to < from || to > info.rows()) {
            throw new IllegalArgumentException("rows " + from + "–" + to + " of " + info.rows() + " of " + name);
        }
        long rowBytes = info.cols() * info.dtype().bytes();
        return map(dataStart + entry.begin() + from * rowBytes, Math.multiplyExact(to - from, rowBytes));
    }

    /** Some bytes of a tensor. */
    public ByteBuffer readBytes(String name, long offset, int count) {
        TensorEntry entry = entry(name);
        if (offset < 0 || offset > entry.end() - entry.begin() - count) {
            throw new IllegalArgumentException(count + " bytes from " + offset + " on of " + name);
        }
        return map(dataStart + entry.begin() + offset, count);
    }

    /** Bytes of the header, its length included. */
    public ByteBuffer headerBytes() {
        return map(0, dataStart);
    }

    private ByteBuffer map(long position, long bytes) {
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(bytes + " bytes at once; read fewer rows");
        }
        try {
            return channel.map(MapMode.READ_ONLY, position, bytes).order(ByteOrder.LITTLE_ENDIAN);
        } catch (IOException e) {
            throw TrainErrors.unreadable(path, e);
        }
    }

    private TensorEntry entry(String name) {
        TensorEntry entry = header.tensors().get(name);
        if (entry == null) {
            throw TrainErrors.tensorMissing(path.toString(), name, "check that the file belongs to this model");
        }
        return entry;
    }

    /** Closes the file; buffers that were read stay valid. */
    @Override
    public void close() {
        closeQuietly(channel);
    }

    private static void closeQuietly(FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            // it was only read: nothing is lost
        }
    }
}
