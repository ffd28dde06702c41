// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

/**
 * {@code [x | t | 0]}: a layer's input and the input of its low-rank part as one operand of the products with panels of weights.
 *
 * @param address where it is
 * @param rows of x and t
 * @param in columns of x
 * @param inner columns of it all
 * @param turned whether it is the second operand, {@code [x | t | 0]ᵀ} in the order of {@link Product#inPairs}, else the first, row after row
 */
record JoinedInput(long address, long rows, long in, long inner, DType dtype, boolean turned) {

    /** oneDNN reads the inner dimension in such steps; see {@link Product#readsPastRows}. */
    private static final long INNER_STEP = 32;
    /** Rows that are turned at once: they become columns, and so many of those lie together. */
    private static final long TURNED_ROWS = Product.PAIRS_COLUMNS;

    /**
     * Writes it into {@code buffer}, row after row.
     *
     * @param t null without a low-rank part
     */
    static JoinedInput of(Tensor x, Tensor t, Workers workers, NativeBuffer buffer) {
        long inner = inner(x, t);
        long rowBytes = inner * x.dtype().bytes();
        long joined = buffer.atLeast(x.rows() * rowBytes);
        workers.forRange(x.rows(), Elements.grain(inner), (from, to) -> {
            for (long row = from; row < to; row++) {
                join(x, t, row, joined + row * rowBytes, rowBytes);
            }
        });
        return new JoinedInput(joined, x.rows(), x.cols(), inner, x.dtype(), false);
    }

    private static void join(Tensor x, Tensor t, long row, long target, long rowBytes) {
        int width = x.dtype().bytes();
        long at = x.cols() * width;
        Native.copy(x.address(row), target, at);
        if (t != null) {
            Native.copy(t.address(row), target + at, t.cols() * width);
            at += t.cols() * width;
        }
        Native.fill(target + at, rowBytes - at, (byte) 0);
    }

    /** Whether {@link #turned} takes it. */
    static boolean canBeTurned(Tensor x) {
        return x.dtype() == DType.BF16 && x.cols() % INNER_STEP == 0;
    }

    /**
     * Writes it into {@code buffer}, turned.
     *
     * @param x BF16, its columns whole steps of {@value #INNER_STEP}
     * @param t null without a low-rank part
     */
    static JoinedInput turned(Tensor x, Tensor t, Workers workers, Products products, NativeBuffer buffer) {
        long inner = inner(x, t);
        long blockBytes = Product.bytesOfPairs(inner);
        long pairs = buffer.atLeast(Product.bytesOfPairs(inner, x.rows()));
        workers.forRange((x.rows() + TURNED_ROWS - 1) / TURNED_ROWS, 1, (from, to) -> {
            for (long block = from; block < to; block++) {
                long row = block * TURNED_ROWS;
                long count = Math.min(TURNED_ROWS, x.rows() - row);
                long target = pairs + block * blockBytes;
                products.turn(new Turn(count, x.cols(), x.rowStride(), Product.PAIRS), x.address(row), target);
                if (t != null) {
                    Turn low = new Turn(count, t.cols(), t.rowStride(), Product.PAIRS);
                    products.turn(low, t.address(row), target + Product.bytesOfPairs(x.cols()));
                }
            }
        });
        return new JoinedInput(pairs, x.rows(), x.cols(), inner, x.dtype(), true);
    }

    private static long inner(Tensor x, Tensor t) {
        return (x.cols() + (t == null ? 0 : t.cols()) + INNER_STEP - 1) / INNER_STEP * INNER_STEP;
    }
}
