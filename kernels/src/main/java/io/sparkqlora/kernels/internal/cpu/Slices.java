// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/** Cuts working memory into parts that start at multiples of 256 bytes. */
final class Slices {

    private static final long ALIGNMENT = 256;
    /** What rounding up can cost for as many parts as an operation has. */
    static final long SLACK = 16 * ALIGNMENT;

    private long at;

    Slices(long start) {
        this.at = start;
    }

    long next(long bytes) {
        long slice = at;
        at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        return slice;
    }
}
