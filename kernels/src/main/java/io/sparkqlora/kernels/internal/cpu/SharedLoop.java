// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** One loop that several threads work off, piece by piece. */
final class SharedLoop {

    /** A loop mostly ends within microseconds of the caller's own last piece; parking costs more than that. */
    private static final int SPINS = 2000;

    private final long n;
    private final long piece;
    private final long pieces;
    private final Workers.Body body;
    private final Thread caller = Thread.currentThread();
    private final AtomicLong next = new AtomicLong();
    private final AtomicLong done = new AtomicLong();
    private long failedPiece = Long.MAX_VALUE;
    private volatile Throwable failure;

    SharedLoop(long n, long piece, Workers.Body body) {
        this.n = n;
        this.piece = piece;
        this.pieces = (n + piece - 1) / piece;
        this.body = body;
    }

    long pieces() {
        return pieces;
    }

    /** Runs pieces until none is left. After a failure the rest is skipped. */
    void takePart() {
        for (long i = next.getAndIncrement(); i < pieces; i = next.getAndIncrement()) {
            if (failure == null) {
                runPiece(i);
            }
            if (done.incrementAndGet() == pieces) {
                LockSupport.unpark(caller);
            }
        }
    }

    private void runPiece(long i) {
        try {
            body.run(i * piece, Math.min(n, (i + 1) * piece));
        } catch (Throwable t) {
            fail(i, t);
        }
    }

    /** Of several failures the one of the lowest piece is kept. */
    private synchronized void fail(long i, Throwable t) {
        if (i < failedPiece) {
            failedPiece = i;
            failure = t;
        }
    }

    /** Waits until every piece has run; throws what failed. An interrupt is kept for the caller, the loop still ends. */
    void await() {
        boolean interrupted = false;
        for (int spin = 0; done.get() < pieces; spin++) {
            if (spin < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.park(this);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        rethrow();
    }

    private void rethrow() {
        Throwable t = failure;
        if (t instanceof RuntimeException e) {
            throw e;
        }
        if (t instanceof Error e) {
            throw e;
        }
    }
}
