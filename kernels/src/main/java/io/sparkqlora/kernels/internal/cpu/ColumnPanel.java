// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

/**
 * Some columns of {@code dx = dy · W}, for one thread. Where the weight has more than {@code depth} rows, so many are dequantised
 * and multiplied at a time, and the sums are F32 until the last have been added; dx is of 16 bits then.
 *
 * @param dy [rows, inner]
 * @param dx [rows, all columns]
 * @param col first column
 * @param cols columns
 * @param depth most rows of the weight at a time
 * @param pairs whether the dequantizer writes the order of {@link Product#inPairs}, for BF16
 */
record ColumnPanel(Products products, Tensor dy, Tensor dx, long col, long cols, long depth, boolean pairs) {

    /** Writes the columns; the weight is what {@code dequantizer} reads, and {@code memory} is overwritten. */
    void run(Dequantizer dequantizer, NativeBuffer memory) {
        if (dy.cols() <= depth) {
            long panel = memory.atLeast(panelBytes(dy.cols()));
            add(dequantizer, 0, dy.cols(), panel, dx.dtype(), target(), dx.rowStride());
            return;
        }
        long step = step();
        Slices slices = new Slices(memory.atLeast(4 * dy.rows() * cols + panelBytes(step) + Slices.SLACK));
        long sums = slices.next(4 * dy.rows() * cols);
        long panel = slices.next(panelBytes(step));
        for (long row = 0; row < dy.cols(); row += step) {
            add(dequantizer, row, Math.min(step, dy.cols() - row), panel, DType.F32, sums, cols);
        }
        Rows.narrow(sums, dy.rows(), Math.toIntExact(cols), dx.dtype(), target(), dx.rowStride());
    }

    private long panelBytes(long rows) {
        return pairs
                ? Product.bytesOfPairs(rows, cols)
                : rows * cols * dy.dtype().bytes();
    }

    /** Even parts, in whole units but for the last. */
    private long step() {
        long parts = (dy.cols() + depth - 1) / depth;
        long units = (dy.cols() + parts * Panels.UNIT - 1) / (parts * Panels.UNIT);
        return units * Panels.UNIT;
    }

    /** Adds what rows {@code row} to {@code row + count} of the weight contribute; the first write what was there before. */
    private void add(Dequantizer dequantizer, long row, long count, long panel, DType type, long out, long stride) {
        float beta = row == 0 ? 0f : 1f;
        Product part = new Product(
                dy.rows(), cols, count, dy.dtype(), type, false, dy.rowStride(), false, cols, stride, 1f, beta);
        if (pairs) {
            if (count % Product.PAIRS_ROWS != 0) {
                Native.fill(panel, panelBytes(count), (byte) 0);
            }
            dequantizer.run(row, count, col, cols, panel, Product.bytesOfPairs(count));
            part = part.inPairs();
        } else {
            dequantizer.run(row, count, col, cols, panel, cols * dy.dtype().bytes());
        }
        products.run(part, dy.address() + row * dy.dtype().bytes(), panel, out);
    }

    private long target() {
        return dx.address() + col * dx.dtype().bytes();
    }
}
