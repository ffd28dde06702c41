// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/**
 * A dimension cut into parts of whole units, as even as they can be. Their number is a function of the shape and the number of
 * threads, which all get as many of them.
 *
 * @param length elements
 * @param units of {@value #UNIT} elements, the last may be short
 * @param count parts
 */
record Panels(long length, long units, long count) {

    static final long UNIT = 64;

    /** Parts of at most {@code wanted} elements, if that is a unit or more. */
    static Panels of(long length, long wanted, int threads) {
        long units = (length + UNIT - 1) / UNIT;
        long perPanel = Math.max(1, wanted / UNIT);
        long fair = (units + perPanel * threads - 1) / (perPanel * threads) * threads;
        return new Panels(length, units, Math.min(units, fair));
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
