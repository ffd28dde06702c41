// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import com.sun.nio.file.ExtendedOpenOption;
import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.train.CheckpointErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * A file that is read at any place by several threads. Large reads of what the system has not cached go past its cache
 * ({@code O_DIRECT}), where the file system allows that: the disk then writes into the caller's memory, and the weights, which
 * are read once, don't push out what others keep there.
 */
final class WeightFile implements AutoCloseable {

    private static final long BLOCK = ByteSource.ALIGNMENT;

    /** Shorter reads go through the cache, which reads ahead for the next ones. */
    private static final int SMALLEST_DIRECT = 1 << 20;

    private final Path path;
    private final FileChannel channel;
    private final FileChannel direct;
    private final CachedPages cached;

    private WeightFile(Path path, FileChannel channel, FileChannel direct) {
        this.path = path;
        this.channel = channel;
        this.direct = direct;
        this.cached = new CachedPages(channel);
    }

    static WeightFile open(Path path) throws IOException {
        if (Files.isDirectory(path)) {
            throw new IOException("it is a folder");
        }
        FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
        return new WeightFile(path, channel, openDirect(path));
    }

    /** Null where the file system can't, or only in larger blocks. */
    private static FileChannel openDirect(Path path) {
        try {
            return Files.getFileStore(path).getBlockSize() > BLOCK
                    ? null
                    : FileChannel.open(path, StandardOpenOption.READ, ExtendedOpenOption.DIRECT);
        } catch (IOException | UnsupportedOperationException e) {
            return null;
        }
    }

    Path path() {
        return path;
    }

    long size() throws IOException {
        return channel.size();
    }

    /** A few bytes, through the cache. */
    ByteBuffer read(long position, int count) {
        ByteBuffer buffer = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        readFully(position, buffer);
        return buffer.flip();
    }

    /** As {@link ByteSource#read} says. */
    ByteBuffer read(long position, int count, ByteBuffer space) {
        if (direct != null && count >= SMALLEST_DIRECT && !cached(position, count)) {
            return readDirect(position, count, space);
        }
        ByteBuffer target = space.duplicate().clear().limit(count);
        readFully(position, target);
        return target.flip();
    }

    /** Whether the system has all of it in its cache. */
    boolean cached(long position, int count) {
        return cached.contains(position, count);
    }

    /** Past the cache: whole blocks around the bytes; what the disk does not give in one go is read through the cache. */
    ByteBuffer readDirect(long position, int count, ByteBuffer space) {
        int skip = (int) (position % BLOCK);
        long blocks = (skip + count + BLOCK - 1) / BLOCK;
        ByteBuffer target = space.duplicate().clear().limit((int) (blocks * BLOCK));
        int got;
        try {
            got = Math.max(0, direct.read(target, position - skip));
        } catch (IOException e) {
            got = 0;
        }
        target.limit(skip + count);
        if (got < skip + count) {
            target.position(Math.max(skip, got));
            readFully(position - skip + target.position(), target);
        }
        return target.position(skip);
    }

    private void readFully(long position, ByteBuffer target) {
        long end = position + target.remaining();
        long at = position;
        try {
            while (target.hasRemaining()) {
                int got = channel.read(target, at);
                if (got < 0) {
                    throw CheckpointErrors.endedEarly(path, channel.size(), end);
                }
                at += got;
            }
        } catch (IOException e) {
            throw CheckpointErrors.readFailed(path, at, e);
        }
    }

    @Override
    public void close() {
        closeQuietly(direct);
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
