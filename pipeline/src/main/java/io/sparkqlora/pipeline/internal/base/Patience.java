// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;

/**
 * How long one waits for others.
 *
 * @param silence between two bytes, or for an answer
 * @param attempts how often the same is tried without a byte of progress
 * @param pause before the second attempt; doubles with each
 */
record Patience(Duration silence, int attempts, Duration pause) {

    static final Patience USUAL = new Patience(Duration.ofSeconds(60), 5, Duration.ofSeconds(1));

    /** Longest that an answer may ask to wait. */
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(2);

    /** An answer that says when to ask again. */
    static final class Later extends IOException {

        private static final long serialVersionUID = 1L;

        private final transient Duration pause;

        Later(String problem, Duration pause) {
            super(problem);
            this.pause = pause;
        }
    }

    /** Something that may fail and succeed the next time. */
    interface Attempt<T> {

        T run() throws IOException;
    }

    /**
     * Tries something until it succeeds.
     *
     * @throws IOException what the last attempt failed with
     */
    <T> T retrying(Attempt<T> attempt) throws IOException {
        for (int failures = 1; ; failures++) {
            try {
                return attempt.run();
            } catch (InterruptedIOException e) {
                throwIfInterrupted(e);
                giveUpOrWait(failures, e);
            } catch (IOException e) {
                giveUpOrWait(failures, e);
            }
        }
    }

    /** Waits before another attempt, or throws what the last one failed with. */
    void giveUpOrWait(int failures, IOException failure) throws IOException {
        if (failures >= attempts) {
            throw failure;
        }
        Duration wait = pause.multipliedBy(1L << Math.min(failures - 1, 10));
        if (failure instanceof Later later && later.pause != null && later.pause.compareTo(wait) > 0) {
            wait = later.pause.compareTo(LONGEST_PAUSE) < 0 ? later.pause : LONGEST_PAUSE;
        }
        try {
            Thread.sleep(wait.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
    }

    /** A thread that is to end tries nothing again. */
    static void throwIfInterrupted(IOException failure) throws IOException {
        if (Thread.currentThread().isInterrupted()) {
            throw failure;
        }
    }
}
