// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Brings a file here. It grows under another name, is checked, and is then renamed, so that under its own name it is there whole or
 * not at all. What an attempt brought stays for the next one, in this process or another.
 */
final class Download {

    private static final Logger LOG = LoggerFactory.getLogger(Download.class);
    private static final int PIECE = 1 << 20;
    /** A copy with other bytes is brought once more from its beginning; the second time it is the file that is wrong. */
    private static final int MOST_WRONG = 2;

    private final RemoteFile remote;
    private final Path part;
    private final Path target;
    private final Patience patience;

    /**
     * @param part where it grows, on the filesystem of {@code target}
     */
    Download(RemoteFile remote, Path part, Path target, Patience patience) {
        this.remote = remote;
        this.part = part;
        this.target = target;
        this.patience = patience;
    }

    /** Bytes that are yet to come. */
    long missing() throws IOException {
        return remote.size() - have();
    }

    RemoteFile remote() {
        return remote;
    }

    /** What is there of this file; what is longer is there of another one. */
    private long have() throws IOException {
        if (!Files.exists(part)) {
            return 0;
        }
        long size = Files.size(part);
        return size <= remote.size() ? size : 0;
    }

    /**
     * Brings it.
     *
     * @throws RemoteFile.OtherBytes if what comes is not the file
     * @throws IOException if it doesn't come, however often it is tried
     */
    void run() throws IOException {
        int failures = 0;
        int wrong = 0;
        while (true) {
            long before = have();
            try {
                bring();
                rename();
                return;
            } catch (RemoteFile.OtherBytes e) {
                Files.delete(part);
                if (++wrong == MOST_WRONG) {
                    throw e;
                }
                LOG.warn("{} came with other bytes ({}); once more", remote.name(), e.getMessage());
            } catch (NotWritten e) {
                throw e;
            } catch (IOException e) {
                Patience.throwIfInterrupted(e);
                failures = have() > before ? 1 : failures + 1;
                LOG.warn("{} came as far as byte {} of {}: {}", remote.name(), have(), remote.size(), e.toString());
                patience.giveUpOrWait(failures, e);
            }
        }
    }

    private void rename() throws NotWritten {
        try {
            Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new NotWritten(e);
        }
    }

    private void bring() throws IOException {
        if (missing() > 0 || !Files.exists(part)) {
            Guarded.run(this::append, patience.silence());
        }
        if (have() < remote.size()) {
            throw new EOFException("it ended after " + have() + " of " + remote.size() + " bytes");
        }
        remote.verify(part);
    }

    private void append(Guarded.Gate gate) throws IOException {
        RemoteFile.Opened opened = remote.open(have());
        try (InputStream in = opened.bytes();
                FileChannel out = file()) {
            gate.from(in);
            gate.pass(0, () -> out.truncate(opened.position()).position(opened.position()));
            copy(in, out, gate);
        }
    }

    private FileChannel file() throws NotWritten {
        try {
            return FileChannel.open(part, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new NotWritten(e);
        }
    }

    private void copy(InputStream in, FileChannel out, Guarded.Gate gate) throws IOException {
        byte[] piece = new byte[PIECE];
        long left = remote.size() - out.position();
        for (int count = in.read(piece); count >= 0; count = in.read(piece)) {
            if (count > left) {
                throw new RemoteFile.OtherBytes("more than its " + remote.size() + " bytes");
            }
            left -= count;
            ByteBuffer bytes = ByteBuffer.wrap(piece, 0, count);
            gate.pass(count, () -> {
                write(out, bytes);
                return null;
            });
        }
    }

    private static void write(FileChannel out, ByteBuffer bytes) throws IOException {
        try {
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException e) {
            throw new NotWritten(e);
        }
    }

    /** What came can't be written; another attempt could not either. */
    static final class NotWritten extends IOException {

        private static final long serialVersionUID = 1L;

        NotWritten(IOException cause) {
            super(cause);
        }
    }
}
