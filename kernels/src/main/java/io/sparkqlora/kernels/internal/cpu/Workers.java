// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.KernelErrors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A fixed number of threads that share loops: the calling thread and {@code threads − 1} daemons. A loop is cut into pieces
 * as a function of its length, its grain and the thread count alone; threads then take pieces as they get free, so a body
 * whose result for an index depends on nothing else gives the same bits whatever thread ran it.
 */
final class Workers implements AutoCloseable {

    /** Overrides the number of threads; the default is the number of processors that the JVM sees. */
    static final String THREADS_PROPERTY = "qlora.cpu.threads";

    /** More pieces than threads, so that one slow core doesn't hold up the loop. */
    private static final int PIECES_PER_THREAD = 4;

    /** About as long as it takes to wake a thread: the loops of a step mostly follow each other sooner. */
    private static final int SPINS = 1000;

    private static final ThreadLocal<Boolean> INSIDE = ThreadLocal.withInitial(() -> false);
    private static final AtomicInteger POOLS = new AtomicInteger();

    private final int threads;
    private final ThreadPoolExecutor helpers;
    private final AtomicBoolean busy = new AtomicBoolean();

    /** Part of a loop: indices {@code from} (inclusive) to {@code to} (exclusive). */
    @FunctionalInterface
    interface Body {
        void run(long from, long to);
    }

    Workers(int threads) {
        if (threads < 1) {
            throw KernelErrors.badThreadCount(THREADS_PROPERTY, Integer.toString(threads));
        }
        this.threads = threads;
        this.helpers = threads == 1 ? null : pool(threads - 1);
    }

    /** As many threads as {@link #THREADS_PROPERTY} says, or as there are processors. */
    static Workers ofThisMachine() {
        String wanted = System.getProperty(THREADS_PROPERTY);
        if (wanted == null) {
            return new Workers(Runtime.getRuntime().availableProcessors());
        }
        try {
            return new Workers(Integer.parseInt(wanted.trim()));
        } catch (NumberFormatException e) {
            throw KernelErrors.badThreadCount(THREADS_PROPERTY, wanted);
        }
    }

    /** Whose takers look for a while before they park. */
    private static final class SpinningQueue extends LinkedBlockingQueue<Runnable> {

        private static final long serialVersionUID = 1;

        @Override
        public Runnable take() throws InterruptedException {
            for (int spin = 0; spin < SPINS; spin++) {
                Runnable task = isEmpty() ? null : poll();
                if (task != null) {
                    return task;
                }
                Thread.onSpinWait();
            }
            return super.take();
        }
    }

    private static ThreadPoolExecutor pool(int size) {
        int pool = POOLS.incrementAndGet();
        AtomicInteger count = new AtomicInteger();
        ThreadPoolExecutor made = new ThreadPoolExecutor(size, size, 0, TimeUnit.SECONDS, new SpinningQueue(), task -> {
            Thread thread = new Thread(task, "qlora-cpu-" + pool + "-" + count.incrementAndGet());
            thread.setDaemon(true);
            return thread;
        });
        made.prestartAllCoreThreads();
        return made;
    }

    int threads() {
        return threads;
    }

    /** The most pieces that a loop is cut into. */
    long pieces() {
        return threads == 1 ? 1 : (long) threads * PIECES_PER_THREAD;
    }

    /**
     * Runs {@code body} over 0 to {@code n}, in pieces that start at multiples of {@code grain}, and waits for it. Throws
     * what the first failing piece threw.
     *
     * @param grain the fewest indices worth handing to a thread
     */
    void forRange(long n, long grain, Body body) {
        if (n < 0 || grain < 1) {
            throw new IllegalArgumentException("a loop of " + n + " by " + grain);
        }
        long grains = (n + grain - 1) / grain;
        long piece = grain * Math.max(1, (grains + pieces() - 1) / pieces());
        run(new SharedLoop(n, piece, body));
    }

    private void run(SharedLoop loop) {
        if (INSIDE.get()) {
            throw new IllegalStateException("a loop over the CPU workers can't start another one");
        }
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException("one thread drives a device, but two started a loop on these CPU workers");
        }
        try {
            for (long i = Math.min(threads, loop.pieces()); i > 1; i--) {
                helpers.execute(() -> takePart(loop));
            }
            takePart(loop);
            loop.await();
        } finally {
            busy.set(false);
        }
    }

    private static void takePart(SharedLoop loop) {
        INSIDE.set(true);
        try {
            loop.takePart();
        } finally {
            INSIDE.set(false);
        }
    }

    @Override
    public void close() {
        if (helpers != null) {
            helpers.shutdownNow();
        }
    }
}
