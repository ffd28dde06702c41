// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.FloatVector;

/**
 * Reductions of a {@code float[]} in an order that depends on its length alone: element {@code i} goes to column {@code i mod 32},
 * columns are summed in F32 from the start to the end, then the 32 of them in F64. So machines with other vector widths get the
 * same bits, which the Vector API's own reduction does not promise even for one machine.
 */
final class Sums {

    private static final int COLUMNS = 32;
    private static final int LANES = VectorMath.LANES;

    private Sums() {}

    /** {@code Σ x}. */
    static double sum(float[] x, int at, int count) {
        float[] columns = new float[COLUMNS];
        int whole = count / COLUMNS * COLUMNS;
        for (int column = 0; column < COLUMNS; column += LANES) {
            FloatVector sum = FloatVector.zero(VectorMath.SPECIES);
            for (int i = at + column; i < at + whole; i += COLUMNS) {
                sum = sum.add(VectorMath.load(x, i));
            }
            sum.intoArray(columns, column);
        }
        for (int i = whole; i < count; i++) {
            columns[i - whole] += x[at + i];
        }
        return total(columns);
    }

    /** {@code Σ a · b}. */
    static double dot(float[] a, float[] b, int count) {
        float[] columns = new float[COLUMNS];
        int whole = count / COLUMNS * COLUMNS;
        for (int column = 0; column < COLUMNS; column += LANES) {
            FloatVector sum = FloatVector.zero(VectorMath.SPECIES);
            for (int i = column; i < whole; i += COLUMNS) {
                sum = VectorMath.load(a, i).fma(VectorMath.load(b, i), sum);
            }
            sum.intoArray(columns, column);
        }
        for (int i = whole; i < count; i++) {
            columns[i - whole] = Math.fma(a[i], b[i], columns[i - whole]);
        }
        return total(columns);
    }

    /** The largest element; not-a-number where there is one. */
    static float max(float[] x, int count) {
        float[] lanes = new float[LANES];
        FloatVector first = FloatVector.broadcast(VectorMath.SPECIES, Float.NEGATIVE_INFINITY);
        FloatVector second = first;
        int i = 0;
        for (; i <= count - 2 * LANES; i += 2 * LANES) {
            first = first.max(VectorMath.load(x, i));
            second = second.max(VectorMath.load(x, i + LANES));
        }
        first.max(second).intoArray(lanes, 0);
        float max = Float.NEGATIVE_INFINITY;
        for (float lane : lanes) {
            max = Math.max(max, lane);
        }
        for (; i < count; i++) {
            max = Math.max(max, x[i]);
        }
        return max;
    }

    private static double total(float[] columns) {
        double total = 0;
        for (float column : columns) {
            total += column;
        }
        return total;
    }
}
