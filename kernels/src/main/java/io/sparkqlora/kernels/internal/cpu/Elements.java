// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/**
 * Loops over matrices of one shape, a part of a row at a time, and the {@code float[]} buffers that parts are staged in. A
 * buffer holds a few elements more than a part, so that vector loops can run over its end in whole vectors; what they compute
 * there is never stored.
 */
final class Elements {

    /** The longest part. */
    static final int PART = 2048;

    /** Fewest elements worth handing to a thread. */
    static final int GRAIN = 1 << 14;

    private static final int BUFFERS = 6;
    private static final ThreadLocal<float[][]> STAGED = ThreadLocal.withInitial(() -> new float[BUFFERS][PART]);

    private Elements() {}

    /** What to do with columns {@code col} to {@code col + count} of a row; {@code buffers} are this thread's own. */
    @FunctionalInterface
    interface Body {
        void run(long row, long col, int count, float[][] buffers);
    }

    /** Contiguous tensors are taken as one long row. */
    static void forEach(Workers workers, Body body, Tensor first, Tensor... others) {
        Checks.sameShape(first, others);
        boolean flat = first.contiguous();
        for (Tensor other : others) {
            flat &= other.contiguous();
        }
        long cols = flat ? first.size() : first.cols();
        long rows = flat ? Math.min(1, first.size()) : first.rows();
        long parts = (cols + PART - 1) / PART;
        workers.forRange(rows * parts, grain(Math.min(cols, PART)), (from, to) -> {
            float[][] buffers = STAGED.get();
            for (long i = from; i < to; i++) {
                long col = i % parts * PART;
                body.run(i / parts, col, (int) Math.min(PART, cols - col), buffers);
            }
        });
    }

    /** How many indices make a piece of a loop whose every index is so many elements of work. */
    static long grain(long elements) {
        return Math.max(1, GRAIN / Math.max(1, elements));
    }

    /** {@code count} in whole vectors. */
    static int padded(int count) {
        return (count + VectorMath.LANES - 1) / VectorMath.LANES * VectorMath.LANES;
    }

    /** This thread's buffers, each for at least {@code count} elements in whole vectors. What they hold is undefined. */
    static float[][] buffers(int count) {
        float[][] buffers = STAGED.get();
        for (int i = 0; i < BUFFERS; i++) {
            if (buffers[i].length < padded(count)) {
                buffers[i] = new float[padded(count)];
            }
        }
        return buffers;
    }
}
