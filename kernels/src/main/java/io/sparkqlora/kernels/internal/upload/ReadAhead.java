// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.upload;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.KernelErrors;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads sources one after another, in pieces, into a ring of buffers. Several threads read, each a piece of its own, so that a
 * disk has several requests to work on; pieces come out in order. Memory is the ring's, however much there is to read.
 */
public final class ReadAhead implements AutoCloseable {

    private final List<ByteSource> sources;
    private final List<ByteBuffer> ring;
    private final int pieceBytes;
    private final Object[] read; // by place in the ring: a buffer, or what went wrong
    private final List<Thread> threads = new ArrayList<>();
    private int begun;
    private int source;
    private long position;
    private long claimed;
    private long taken;
    private long released;
    private boolean closed;

    /**
     * Begins to read.
     *
     * @param sources what is read
     * @param ring buffers as {@link ByteSource#read} wants them, for pieces of {@code pieceBytes}
     * @param pieceBytes the most bytes of a piece
     * @param readers threads
     */
    public ReadAhead(List<ByteSource> sources, List<ByteBuffer> ring, int pieceBytes, int readers) {
        this.sources = List.copyOf(sources);
        this.ring = List.copyOf(ring);
        this.pieceBytes = pieceBytes;
        this.read = new Object[ring.size()];
        for (int i = 0; i < readers; i++) {
            Thread thread = new Thread(this::work, "qlora-read-" + i);
            thread.setDaemon(true);
            threads.add(thread);
            thread.start();
        }
    }

    /** A piece of a source, and which one of all it is. */
    private record Piece(ByteSource source, long position, int count, long number) {}

    private void work() {
        for (Piece piece = claim(); piece != null; piece = claim()) {
            Object result;
            try {
                result = piece.source.read(piece.position, piece.count, ring.get(place(piece.number)));
            } catch (Throwable e) {
                result = e; // whoever takes the piece throws it
            }
            deliver(piece, result);
        }
    }

    private synchronized Piece claim() {
        while (!closed && claimed - released == ring.size()) {
            try {
                wait();
            } catch (InterruptedException e) {
                return null; // nobody interrupts these threads
            }
        }
        while (source < sources.size() && position == sources.get(source).bytes()) {
            source++;
            position = 0;
        }
        return closed || source == sources.size() ? null : cut();
    }

    private Piece cut() {
        ByteSource from = sources.get(source);
        int count = (int) Math.min(pieceBytes, from.bytes() - position);
        Piece piece = new Piece(from, position, count, claimed++);
        position += count;
        return piece;
    }

    private synchronized void deliver(Piece piece, Object result) {
        read[place(piece.number)] = result;
        notifyAll();
    }

    private int place(long number) {
        return (int) (number % ring.size());
    }

    /** Goes on to the next source, all of whose pieces are to be taken; it must have so many bytes. */
    public synchronized void begin(long bytes) {
        if (begun == sources.size() || sources.get(begun).bytes() != bytes) {
            throw new IllegalArgumentException("source " + begun + " of " + sources.size() + " has "
                    + (begun == sources.size() ? "no" : sources.get(begun).bytes()) + " bytes, the tensor " + bytes);
        }
        begun++;
    }

    /** Place in the ring of the piece that is taken next. */
    public synchronized int nextPlace() {
        return place(taken);
    }

    /** The next piece, which stays as it is until it is {@linkplain #release() released}; waits for it. */
    public synchronized ByteBuffer take() {
        int place = place(taken);
        while (read[place] == null) {
            try {
                wait();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw KernelErrors.interrupted(e);
            }
        }
        Object result = read[place];
        if (result instanceof RuntimeException e) {
            throw e;
        }
        if (result instanceof Error e) {
            throw e;
        }
        read[place] = null;
        taken++;
        return (ByteBuffer) result;
    }

    /** Gives the buffer of the oldest piece that was taken back to the readers. */
    public synchronized void release() {
        released++;
        notifyAll();
    }

    /** How many pieces are taken and not released. */
    public synchronized int held() {
        return (int) (taken - released);
    }

    /** Returns when no thread reads any more. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
            notifyAll();
        }
        boolean interrupted = false;
        for (Thread thread : threads) {
            interrupted |= join(thread);
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static boolean join(Thread thread) {
        for (boolean interrupted = false; ; ) {
            try {
                thread.join();
                return interrupted;
            } catch (InterruptedException e) {
                interrupted = true; // the buffers must not be freed under a read
            }
        }
    }
}
