// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * A safetensors file, its header checked when it is opened. The format is a header length (8 bytes, little-endian), a JSON header, and the tensors' bytes.
 */
public final class SafetensorsFile implements WeightSource, AutoCloseable {

    /** What the reference implementation allows. */
    private static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int LENGTH_BYTES = 8;

    private final WeightFile file;
    private final SafetensorsHeader header;
    private final long dataStart;

    private SafetensorsFile(WeightFile file, SafetensorsHeader header, long dataStart) {
        this.file = file;
        this.header = header;
        this.dataStart = dataStart;
    }

    /**
     * Opens a file.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if it is missing, cut short or inconsistent
     */
    public static SafetensorsFile open(Path path) {
        WeightFile file = null;
        try {
            file = WeightFile.open(path);
            SafetensorsFile opened = read(file);
            file = null;
            return opened;
        } catch (NoSuchFileException e) {
            throw CheckpointErrors.fileMissing(path, "check the path");
        } catch (IOException e) {
            throw CheckpointErrors.unreadable(path, e);
        } finally {
            if (file != null) {
                file.close();
            }
        }
    }

    private static SafetensorsFile read(WeightFile file) throws IOException {
        Path path = file.path();
        long size = file.size();
        if (size < LENGTH_BYTES) {
            throw CheckpointErrors.headerLength(path, "its first " + LENGTH_BYTES, size);
        }
        long length = file.read(0, LENGTH_BYTES).getLong();
        if (length < 0 || length > size - LENGTH_BYTES) {
            throw CheckpointErrors.headerLength(path, Long.toUnsignedString(length), size);
        }
        if (length > MAX_HEADER_BYTES) {
            throw CheckpointErrors.headerInvalid(path, "it has " + length + " bytes, over " + MAX_HEADER_BYTES, null);
        }
        long dataStart = LENGTH_BYTES + length;
        ByteBuffer json = file.read(LENGTH_BYTES, (int) length);
        return new SafetensorsFile(file, HeaderParser.parse(path, json, size - dataStart), dataStart);
    }

    /** Where it lies. */
    public Path path() {
        return file.path();
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
        FileBytes rows = rows(name, from, to);
        return read(rows.begin(), rows.bytes());
    }

    @Override
    public FileBytes rows(String name, long from, long to) {
        TensorEntry entry = entry(name);
        TensorInfo info = entry.info();
        if (from < 0 || to < from || to > info.rows()) {
            throw new IllegalArgumentException("rows " + from + "–" + to + " of " + info.rows() + " of " + name);
        }
        long rowBytes = info.cols() * info.dtype().bytes();
        return new FileBytes(
                file, dataStart + entry.begin() + from * rowBytes, Math.multiplyExact(to - from, rowBytes));
    }

    /** Some bytes of a tensor. */
    public ByteBuffer readBytes(String name, long offset, int count) {
        TensorEntry entry = entry(name);
        if (offset < 0 || offset > entry.end() - entry.begin() - count) {
            throw new IllegalArgumentException(count + " bytes from " + offset + " on of " + name);
        }
        return read(dataStart + entry.begin() + offset, count);
    }

    /** Bytes of the header, its length included. */
    public ByteBuffer headerBytes() {
        return read(0, dataStart);
    }

    private ByteBuffer read(long position, long bytes) {
        if (bytes > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(bytes + " bytes at once; read fewer rows");
        }
        return file.read(position, (int) bytes);
    }

    private TensorEntry entry(String name) {
        TensorEntry entry = header.tensors().get(name);
        if (entry == null) {
            throw CheckpointErrors.tensorMissing(path().toString(), name, "check that the file belongs to this model");
        }
        return entry;
    }

    /** Closes the file; buffers that were read stay valid. */
    @Override
    public void close() {
        file.close();
    }
}
