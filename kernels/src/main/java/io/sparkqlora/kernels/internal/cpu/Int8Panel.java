// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Int8Checks;

/**
 * Some columns of a product in 8 bits, for one thread: of the codes exactly, of the outliers in the input's type, some rows at a
 * time.
 *
 * @param dtype of the input
 * @param type that codes are multiplied in
 * @param columns of outliers
 * @param inner columns of the widened codes, zeros at the end
 * @param outer columns of the gathered outliers, likewise
 * @param y [rows, out]
 */
record Int8Panel(
        Products products,
        DType dtype,
        DType type,
        Int8Input input,
        Int8Matrix weight,
        int[] columns,
        long inner,
        long outer,
        Tensor y) {

    /** Sums of so many rows of a panel stay in a second-level cache. */
    private static final int ROWS = 256;

    /**
     * Writes {@code cols} columns of y from {@code from} on.
     *
     * @param codes address of the input's codes, widened: [rows, inner]
     * @param outliers address of its columns of outliers: [rows, outer]
     */
    void run(long from, long cols, long codes, long outliers) {
        NativeBuffer buffer = products.borrowScratch();
        try {
            int rows = (int) Math.min(ROWS, y.rows());
            long panelBytes = cols * inner * type.bytes();
            long outlierBytes = cols * outer * dtype.bytes();
            Slices slices = new Slices(buffer.atLeast(panelBytes + outlierBytes + 4L * rows * cols + Slices.SLACK));
            long panel = slices.next(panelBytes);
            long outlierPanel = slices.next(outlierBytes);
            long part = slices.next(4L * rows * cols);
            Int8Codes.Widener widener = new Int8Codes.Widener((int) weight.cols(), type);
            widener.widen(weight.codes(), from, cols, inner, panel);
            float[] scales = floats(weight.absmax().address() + Float.BYTES * from, (int) cols);
            widener.dequantize(weight.codes(), scales, from, columns, outer, dtype, outlierPanel);
            int[] sums = new int[(int) (rows * cols)];
            for (long row = 0; row < y.rows(); row += ROWS) {
                int count = (int) Math.min(ROWS, y.rows() - row);
                multiply(codes + row * inner * type.bytes(), panel, count, part, sums, (int) cols);
                float[] added = outliers(outliers + row * outer * dtype.bytes(), outlierPanel, count, part, (int) cols);
                store(row, count, sums, scales, added, from);
            }
        } finally {
            products.giveBackScratch(buffer);
        }
    }

    /** The exact product of codes. */
    private void multiply(long a, long b, int rows, long part, int[] sums, int cols) {
        float[] floats = new float[rows * cols];
        for (long at = 0; at < inner; at += Int8Codes.EXACT) {
            long depth = Math.min(Int8Codes.EXACT, inner - at);
            Product product = new Product(rows, cols, depth, type, DType.F32, false, inner, true, inner, cols, 1f, 0f);
            products.run(product, a + at * type.bytes(), b + at * type.bytes(), part);
            Native.load(part, floats, 0, floats.length);
            for (int i = 0; i < floats.length; i++) {
                sums[i] = (at == 0 ? 0 : sums[i]) + (int) floats[i];
            }
        }
    }

    /** The product of the outliers, or null without any. */
    private float[] outliers(long a, long b, int rows, long part, int cols) {
        if (columns.length == 0) {
            return null;
        }
        Product product = new Product(rows, cols, outer, dtype, DType.F32, false, outer, true, outer, cols, 1f, 0f);
        products.run(product, a, b, part);
        return floats(part, rows * cols);
    }

    private void store(long row, int rows, int[] sums, float[] scales, float[] added, long from) {
        int cols = scales.length;
        float[] out = new float[cols];
        for (int r = 0; r < rows; r++) {
            float scale = Native.getFloat(input.absmax().address() + Float.BYTES * (row + r));
            for (int i = 0; i < cols; i++) {
                out[i] = sums[r * cols + i] * (scale * scales[i]) * Int8Checks.PRODUCT;
            }
            for (int i = 0; added != null && i < cols; i++) {
                out[i] += added[r * cols + i];
            }
            Rows.store(out, 0, cols, y, row + r, from);
        }
    }

    private static float[] floats(long address, int count) {
        float[] floats = new float[count];
        Native.load(address, floats, 0, count);
        return floats;
    }
}
