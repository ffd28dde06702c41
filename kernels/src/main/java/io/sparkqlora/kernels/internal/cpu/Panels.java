// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/**
 * A dimension cut into parts of whole units, as even as they can be. Their number is a function of the shape and the number of
 * threads, and such that every thread gets as many of them.
 *
 * @param length elements
 * @param units of {@value #UNIT} elements, the last may be short
 * @param count parts
 */
record Panels(long length, long units, long count) {

    static final long UNIT = 64;

    /** Parts of at most {@code wanted} elements, if that is a unit or more. */
    static Panels of(long length, long wanted, Workers workers) {
        long units = ceil(length, UNIT);
        long fewest = ceil(units, Math.max(1, wanted / UNIT));
        // a loop is shared in so many pieces, which are even where they have the same number of panels
        long step = fewest > workers.pieces() ? workers.pieces() : workers.threads();
        return new Panels(length, units, Math.min(units, ceil(fewest, step) * step));
    }

    private static long ceil(long value, long divisor) {
        return (value + divisor - 1) / divisor;
    }

    /** Where part {@code i} starts. */
    long start(long i) {
        return Math.min(length, i * units / count * UNIT);
    }

    /** Elements of part {@code i}. */
    long size(long i) {
        return start(i + 1) - start(i);
    }
}
