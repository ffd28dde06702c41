// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.train.PackedRow;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.StandardOpenOption;

/**
 * A group's packed rows in a file on the executor, since each epoch takes them in another order: memory doesn't grow with the
 * group, but for eight bytes a row. What is small stays in the system's page cache. The file goes when it is closed.
 */
final class SpooledRows implements AutoCloseable {

    private static final int HEAD = 2;

    private final File path;
    private final FileChannel file;
    private final long[] ends;
    private int count;

    private SpooledRows(File path, FileChannel file, int rows) {
        this.path = path;
        this.file = file;
        this.ends = new long[rows];
    }

    /** An empty file for so many rows. */
    static SpooledRows create(File path, long rows) {
        try {
            FileChannel file = FileChannel.open(
                    path.toPath(),
                    StandardOpenOption.CREATE,
                    StandardOpenOption.TRUNCATE_EXISTING,
                    StandardOpenOption.READ,
                    StandardOpenOption.WRITE);
            return new SpooledRows(path, file, Math.toIntExact(rows));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Adds the next row. */
    void add(PackedRow row) {
        int sequences = row.sequenceLengths().length;
        ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES * (HEAD + sequences + 2 * row.numTokens()));
        bytes.asIntBuffer()
                .put(row.numTokens())
                .put(sequences)
                .put(row.sequenceLengths())
                .put(row.inputIds())
                .put(row.labels());
        long start = start(count);
        try {
            for (long at = start; bytes.hasRemaining(); ) {
                at += file.write(bytes, at);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        ends[count++] = start + bytes.capacity();
    }

    /** Rows that were added. */
    int count() {
        return count;
    }

    private long start(int index) {
        return index == 0 ? 0 : ends[index - 1];
    }

    /** A row; the index in the data set that it carries is that within the group. */
    PackedRow row(long index) {
        int place = Math.toIntExact(index);
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(ends[place] - start(place)));
        try {
            for (long at = start(place); bytes.hasRemaining(); ) {
                int read = file.read(bytes, at);
                if (read < 0) {
                    throw new IOException(path + " is shorter than what was written to it");
                }
                at += read;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return decode(index, bytes.flip());
    }

    private static PackedRow decode(long index, ByteBuffer bytes) {
        int tokens = bytes.getInt();
        int sequences = bytes.getInt();
        int[] lengths = ints(bytes, sequences);
        int[] ids = ints(bytes, tokens);
        return new PackedRow(index, ids, ints(bytes, tokens), lengths);
    }

    private static int[] ints(ByteBuffer bytes, int count) {
        int[] values = new int[count];
        bytes.asIntBuffer().get(values);
        bytes.position(bytes.position() + Integer.BYTES * count);
        return values;
    }

    @Override
    public void close() {
        try {
            file.close();
            Files.deleteIfExists(path.toPath());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
