// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.svd;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A matrix of low rank as {@code U·Σ·Vᵀ}.
 *
 * @param left [rank][rows]
 * @param values singular values, in falling order
 * @param right [rank][cols]
 */
public record LowRank(double[][] left, double[] values, double[][] right) {

    static LowRank of(Triplets all, int rank) {
        double[][] left = new double[rank][];
        double[][] right = new double[rank][];
        double[] values = new double[rank];
        System.arraycopy(all.left(), 0, left, 0, rank);
        System.arraycopy(all.right(), 0, right, 0, rank);
        System.arraycopy(all.values(), 0, values, 0, rank);
        return new LowRank(left, values, right);
    }

    /** {@code √(Σ/scaling) · Vᵀ} [rank, cols], F32. */
    public NamedTensor a(String name, double scaling) {
        int cols = right[0].length;
        ByteBuffer data = buffer((long) right.length * cols);
        for (int i = 0; i < right.length; i++) {
            double root = Math.sqrt(values[i] / scaling);
            for (double value : right[i]) {
                data.putFloat((float) (root * value));
            }
        }
        return new NamedTensor(name, DType.F32, new long[] {right.length, cols}, data.array());
    }

    /** {@code U · √(Σ/scaling)} [rows, rank], F32. */
    public NamedTensor b(String name, double scaling) {
        int rows = left[0].length;
        ByteBuffer data = buffer((long) left.length * rows);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < left.length; i++) {
                data.putFloat((float) (Math.sqrt(values[i] / scaling) * left[i][row]));
            }
        }
        return new NamedTensor(name, DType.F32, new long[] {rows, left.length}, data.array());
    }

    private static ByteBuffer buffer(long elements) {
        return ByteBuffer.allocate(Math.toIntExact(elements * Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
    }
}
