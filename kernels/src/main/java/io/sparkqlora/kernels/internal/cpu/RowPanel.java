// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * Some columns of {@code y = x·Wᵀ + t·Bᵀ}, which are those rows of the weight, for one thread.
 *
 * @param x {@code [x | t]}
 * @param y [rows, all columns]
 * @param col first column
 * @param cols columns
 */
record RowPanel(Products products, JoinedInput x, List<LoraLinear.Update> updates, Tensor y, long col, long cols) {

    /** Writes the columns; the weight is what {@code dequantizer} reads, row after row, and {@code memory} is overwritten. */
    void run(Dequantizer dequantizer, NativeBuffer memory) {
        long rowBytes = x.inner() * x.dtype().bytes();
        long turnedBytes = x.turned() ? cols * x.rows() * y.dtype().bytes() : 0;
        Slices slices = new Slices(memory.atLeast(cols * rowBytes + turnedBytes + Slices.SLACK));
        long panel = slices.next(cols * rowBytes);
        dequantizer.run(col, cols, 0, x.in(), panel, rowBytes);
        LowRankColumns.write(updates, col, cols, x.in(), x.inner(), x.dtype(), panel);
        if (x.turned()) {
            multiplyTurned(panel, slices.next(turnedBytes));
        } else {
            multiply(panel);
        }
    }

    private void multiply(long panel) {
        Product product = new Product(
                x.rows(),
                cols,
                x.inner(),
                x.dtype(),
                y.dtype(),
                false,
                x.inner(),
                true,
                x.inner(),
                y.rowStride(),
                1f,
                0f);
        products.run(product, x.address(), panel, target());
    }

    /** {@code yᵀ = W·[x | t]ᵀ}, turned back. */
    private void multiplyTurned(long panel, long turned) {
        Product product = new Product(
                cols, x.rows(), x.inner(), x.dtype(), y.dtype(), false, x.inner(), false, x.rows(), x.rows(), 1f, 0f);
        products.run(product.inPairs(), panel, x.address(), turned);
        products.turn(new Turn(cols, x.rows(), x.rows(), y.rowStride()), turned, target());
    }

    private long target() {
        return y.address() + col * y.dtype().bytes();
    }
}
