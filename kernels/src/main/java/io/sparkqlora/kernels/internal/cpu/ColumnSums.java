// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.Arrays;

/** Sums of columns, of one matrix or of the elementwise product of two, in an order that depends on the shape alone. */
record ColumnSums(Workers workers) {

    /** Columns whose sums a thread makes at a time; what they are doesn't touch the order of a sum. */
    private static final int COLUMNS = 256;

    /** Rows that are added up in F32 before they go to a sum in F64. */
    private static final int RUN = 64;

    /**
     * Adds {@code Σ_i a[i, j] · b[i, j] / divisor[j]}.
     *
     * @param b or null for ones
     * @param divisor F32 vector, or null for ones
     */
    void add(Tensor a, Tensor b, Tensor divisor, Tensor out) {
        Checks.floating(a);
        Checks.vector(out, DType.F32, a.cols());
        long blocks = (a.cols() + COLUMNS - 1) / COLUMNS;
        workers.forRange(blocks, Elements.grain(a.rows() * COLUMNS), (from, to) -> {
            for (long block = from; block < to; block++) {
                long col = block * COLUMNS;
                int count = (int) Math.min(COLUMNS, a.cols() - col);
                add(sums(a, b, col, count), divisor, out, col);
            }
        });
    }

    private static double[] sums(Tensor a, Tensor b, long col, int count) {
        float[][] buffers = Elements.buffers(COLUMNS);
        float[] run = buffers[2];
        double[] sums = new double[count];
        Arrays.fill(buffers[1], 0, Elements.padded(count), 1f);
        for (long row = 0; row < a.rows(); row += RUN) {
            Arrays.fill(run, 0, Elements.padded(count), 0f);
            for (long r = row; r < Math.min(a.rows(), row + RUN); r++) {
                Rows.load(a, r, col, count, buffers[0], 0);
                if (b != null) {
                    Rows.load(b, r, col, count, buffers[1], 0);
                }
                for (int i = 0; i < count; i += VectorMath.LANES) {
                    VectorMath.load(buffers[0], i)
                            .fma(VectorMath.load(buffers[1], i), VectorMath.load(run, i))
                            .intoArray(run, i);
                }
            }
            for (int i = 0; i < count; i++) {
                sums[i] += run[i];
            }
        }
        return sums;
    }

    private static void add(double[] sums, Tensor divisor, Tensor out, long col) {
        float[][] buffers = Elements.buffers(COLUMNS);
        Rows.load(out, 0, col, sums.length, buffers[0], 0);
        if (divisor != null) {
            Rows.load(divisor, 0, col, sums.length, buffers[1], 0);
        }
        for (int i = 0; i < sums.length; i++) {
            buffers[0][i] += (float) (divisor == null ? sums[i] : sums[i] / buffers[1][i]);
        }
        Rows.store(buffers[0], 0, sums.length, out, 0, col);
    }
}
