// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

/**
 * How long a neighbour has been silent while this rank listened. Time in which this process did not run (a machine that is
 * paused, or far too busy) says nothing about the neighbour, so of a long gap between two looks only a little counts.
 */
final class Silence {

    private final long mostBetweenLooks;
    private long signs;
    private long lastLook = System.nanoTime();
    private long nanos;

    /**
     * Begins to listen.
     *
     * @param signs how many signs of life there have been so far
     * @param mostBetweenLooks nanoseconds that count at most between two looks
     */
    Silence(long signs, long mostBetweenLooks) {
        this.signs = signs;
        this.mostBetweenLooks = mostBetweenLooks;
    }

    /** Looks again; gives the nanoseconds since the last sign of life. */
    long look(long signsNow) {
        long now = System.nanoTime();
        nanos = signsNow == signs ? nanos + Math.min(mostBetweenLooks, now - lastLook) : 0;
        signs = signsNow;
        lastLook = now;
        return nanos;
    }
}
