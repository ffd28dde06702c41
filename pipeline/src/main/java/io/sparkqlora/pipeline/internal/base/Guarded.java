// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves bytes in a thread of its own, so that a source that falls silent is noticed, whatever waits inside of it: neither Java's HTTP
 * client nor every filesystem has a limit for the time between two bytes.
 */
final class Guarded {

    private static final Logger LOG = LoggerFactory.getLogger(Guarded.class);

    private Guarded() {}

    /** Moves bytes, and tells the gate of each piece. */
    interface Move {

        void run(Gate gate) throws IOException;
    }

    /**
     * Through which a thread writes as long as somebody waits for it. One that is given up, and wakes after all, finds it closed and can
     * write nothing into a file that the next attempt goes on with.
     */
    static final class Gate {

        private long moved;
        private boolean closed;
        private AutoCloseable source;

        /** What is closed to wake the thread. */
        synchronized void from(AutoCloseable opened) throws IOException {
            source = opened;
            requireOpen();
        }

        /** Writes a piece. */
        synchronized void pass(int bytes, Callable<?> write) throws IOException {
            requireOpen();
            try {
                write.call();
            } catch (IOException | RuntimeException e) {
                throw e;
            } catch (Exception e) {
                throw new IOException(e);
            }
            moved += bytes;
        }

        private void requireOpen() throws IOException {
            if (closed) {
                throw new InterruptedIOException("given up");
            }
        }

        private synchronized long moved() {
            return moved;
        }

        private synchronized AutoCloseable close() {
            closed = true;
            return source;
        }
    }

    /**
     * Does it.
     *
     * @param silence how long no byte may come
     * @throws SocketTimeoutException if none came
     */
    static void run(Move move, Duration silence) throws IOException {
        Gate gate = new Gate();
        FutureTask<Void> task = new FutureTask<>(() -> {
            move.run(gate);
            return null;
        });
        Thread thread = new Thread(task, "qlora-download");
        thread.setDaemon(true);
        thread.start();
        boolean over = false;
        try {
            await(task, gate, silence);
            over = true;
        } finally {
            if (!over) {
                wake(gate, thread);
            }
        }
    }

    private static void await(FutureTask<Void> task, Gate gate, Duration silence) throws IOException {
        long seen = -1;
        while (true) {
            try {
                task.get(silence.toMillis(), TimeUnit.MILLISECONDS);
                return;
            } catch (TimeoutException e) {
                if (gate.moved() == seen) {
                    throw new SocketTimeoutException("no byte came for " + silence.toMillis() / 1e3 + " s");
                }
                seen = gate.moved();
            } catch (ExecutionException e) {
                rethrow(e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted");
            }
        }
    }

    private static void rethrow(Throwable cause) throws IOException {
        if (cause instanceof IOException io) {
            throw io;
        }
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof RuntimeException unchecked) {
            throw unchecked;
        }
        throw new IOException(cause);
    }

    /** The thread that closes may have to wait as long as the one that reads. */
    private static void wake(Gate gate, Thread thread) {
        AutoCloseable source = gate.close();
        thread.interrupt();
        Thread closing = new Thread(() -> closeQuietly(source), "qlora-download-close");
        closing.setDaemon(true);
        closing.start();
    }

    private static void closeQuietly(AutoCloseable source) {
        try {
            if (source != null) {
                source.close();
            }
        } catch (Exception e) {
            LOG.debug("closing what was given up: {}", e.toString());
        }
    }
}
