// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * The one thread of a rank that talks to the others while the device computes. What it is given it does in that order, which
 * must be the same on all ranks. Who uses the collective from another thread waits first for all that was given to this one.
 */
public final class RingThread implements AutoCloseable {

    private ExecutorService thread;

    /** Has something done after all that was given before. */
    Future<?> submit(Runnable call) {
        if (thread == null) {
            thread = Executors.newSingleThreadExecutor(task -> {
                Thread made = new Thread(task, "qlora-ring");
                made.setDaemon(true);
                return made;
            });
        }
        return thread.submit(call);
    }

    /** Waits for something; throws what it threw. */
    static void await(Future<?> call) {
        try {
            call.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while waiting for other ranks", e);
        }
    }

    /** Waits until nothing is left of a step that failed. */
    void settle() {
        if (thread != null) {
            await(submit(() -> {}));
        }
    }

    /** Ends what it does, and waits for that end: it may be writing into memory that is freed next. */
    @Override
    public void close() {
        if (thread == null) {
            return;
        }
        thread.shutdownNow();
        boolean interrupted = false;
        for (boolean ended = false; !ended; ) {
            try {
                ended = thread.awaitTermination(1, TimeUnit.DAYS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
