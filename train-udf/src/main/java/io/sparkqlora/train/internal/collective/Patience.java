// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.CollectiveErrors;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How a rank waits: for how long, and what it looks at meanwhile.
 *
 * @param timeout how long a neighbour may be silent
 * @param check called at least every second; what it throws ends the wait
 * @param self this rank, for people
 */
record Patience(Duration timeout, Runnable check, String self) {

    private static final long LONGEST_TICK_MILLIS = 200;
    private static final long SHORTEST_TICK_MILLIS = 5;
    private static final long LONGEST_BEAT_NANOS = 5_000_000_000L;
    private static final int BEATS = 5;
    private static final int TICKS_BETWEEN_LOOKS = 3;
    private static final long LONGEST_FAREWELL_NANOS = 5_000_000_000L;
    private static final double NANOS = 1e9;

    /** Between two looks where nothing happens. */
    long tickMillis() {
        return Math.max(SHORTEST_TICK_MILLIS, Math.min(LONGEST_TICK_MILLIS, timeout.toMillis() / (2 * BEATS)));
    }

    /** Between two signs of life. */
    long beatNanos() {
        return Math.min(LONGEST_BEAT_NANOS, timeout.toNanos() / BEATS);
    }

    /** For what is left to say when all is over. */
    long farewellNanos() {
        return Math.min(LONGEST_FAREWELL_NANOS, timeout.toNanos());
    }

    /** Listens to a neighbour that has given so many signs of life. */
    Silence listen(long signs) {
        return new Silence(signs, TimeUnit.MILLISECONDS.toNanos(TICKS_BETWEEN_LOOKS * tickMillis()));
    }

    /** Whether a silence is too long. */
    boolean over(long nanos) {
        return nanos > timeout.toNanos();
    }

    static double seconds(long nanos) {
        return nanos / NANOS;
    }

    /** Throws if this rank is to stop. */
    void check(String where) {
        if (Thread.currentThread().isInterrupted()) {
            throw CollectiveErrors.rankStopped(self, where);
        }
        check.run();
    }
}
