// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The commit of a chunk on a thread of its own, while the next chunk is trained: one at a time, in their order. Whoever begins
 * another one has waited for the last.
 */
final class CommitBeside implements AutoCloseable {

    private final ExecutorService thread = Executors.newSingleThreadExecutor(work -> {
        Thread made = new Thread(work, "qlora-commit");
        made.setDaemon(true);
        return made;
    });
    private Future<?> pending;

    /**
     * Begins a commit.
     *
     * @param commit what to do
     * @param onFailure what to do if it fails, at once
     */
    void begin(Runnable commit, Runnable onFailure) {
        if (pending != null) {
            throw new IllegalStateException("a commit is under way");
        }
        pending = thread.submit(() -> {
            try {
                commit.run();
            } catch (Throwable e) {
                // Scala throws checked exceptions without saying so
                afterFailure(e, onFailure);
                throw e;
            }
        });
    }

    private static void afterFailure(Throwable failure, Runnable work) {
        try {
            work.run();
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /**
     * Waits until no commit is under way.
     *
     * @throws RuntimeException what it failed with
     */
    void await() {
        Throwable failure = ended();
        if (failure != null) {
            throw CommitBeside.<RuntimeException>unchecked(failure);
        }
    }

    /** As {@link #await()}, after something else has failed: a commit that failed, too, was the first. */
    void awaitAfter(Throwable other) {
        Throwable failure = ended();
        if (failure != null) {
            failure.addSuppressed(other);
            throw CommitBeside.<RuntimeException>unchecked(failure);
        }
    }

    /** What the commit that was under way failed with, or null. A thread that is interrupted waits on, as a commit is never left half done. */
    private Throwable ended() {
        boolean interrupted = false;
        try {
            while (pending != null) {
                try {
                    pending.get();
                    pending = null;
                } catch (ExecutionException e) {
                    pending = null;
                    return e.getCause();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            return null;
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** The failure as it is, as the thread that trains would have thrown it. */
    @SuppressWarnings("unchecked")
    private static <E extends Throwable> E unchecked(Throwable failure) throws E {
        throw (E) failure;
    }

    /** Waits; whoever wanted to know of a failure has asked. */
    @Override
    public void close() {
        ended();
        thread.shutdown();
    }
}
