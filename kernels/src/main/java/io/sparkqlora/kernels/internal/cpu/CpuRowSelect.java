// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RowSelect;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import java.util.Arrays;

/** Rows by index. Rows that keep type and scale are copied as bytes. */
final class CpuRowSelect implements RowSelect {

    private final Workers workers;

    CpuRowSelect(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void gather(Tensor table, Tensor indices, float scale, Tensor out) {
        Checks.vector(indices, DType.I32, out.rows());
        Checks.shape(out, out.rows(), table.cols());
        workers.forRange(out.rows(), Elements.grain(out.cols()), (from, to) -> {
            for (long row = from; row < to; row++) {
                move(table, index(indices, row, table.rows()), scale, out, row);
            }
        });
    }

    @Override
    public void scatter(Tensor rows, Tensor indices, Tensor out) {
        Checks.vector(indices, DType.I32, rows.rows());
        Checks.shape(out, out.rows(), rows.cols());
        workers.forRange(rows.rows(), Elements.grain(rows.cols()), (from, to) -> {
            for (long row = from; row < to; row++) {
                move(rows, row, 1f, out, index(indices, row, out.rows()));
            }
        });
    }

    /** The first of an index' rows adds up all of them, so no two threads write one row. */
    @Override
    public void scatterAdd(Tensor rows, Tensor indices, Tensor order, float scale, Tensor out) {
        Checks.addedRows(rows, indices, order, out);
        workers.forRange(rows.rows(), Elements.grain(rows.cols()), (from, to) -> {
            for (long place = from; place < to; place++) {
                long index = index(indices, index(order, place, rows.rows()), out.rows());
                if (place == 0 || index != index(indices, index(order, place - 1, rows.rows()), out.rows())) {
                    addRun(rows, indices, order, place, scale, out.rowRange(index, index + 1));
                }
            }
        });
    }

    /** Adds the rows from {@code first} on, in order, whose index is the same. */
    private static void addRun(Tensor rows, Tensor indices, Tensor order, long first, float scale, Tensor out) {
        int cols = Math.toIntExact(rows.cols());
        float[][] buffers = Elements.buffers(cols);
        float[] sum = buffers[0];
        float[] row = buffers[1];
        int index = Native.getInt(indices.address() + 4 * index(order, first, rows.rows()));
        Arrays.fill(sum, 0, cols, 0f);
        for (long place = first; place < rows.rows(); place++) {
            long at = index(order, place, rows.rows());
            if (Native.getInt(indices.address() + 4 * at) != index) {
                break;
            }
            Rows.load(rows, at, 0, cols, row, 0);
            for (int i = 0; i < cols; i++) {
                sum[i] += row[i];
            }
        }
        Rows.load(out, 0, 0, cols, row, 0);
        for (int i = 0; i < cols; i++) {
            row[i] = Math.fma(scale, sum[i], row[i]);
        }
        Rows.store(row, 0, cols, out, 0, 0);
    }

    private static long index(Tensor indices, long row, long limit) {
        int index = Native.getInt(indices.address() + 4 * row);
        if (index < 0 || index >= limit) {
            throw new IllegalArgumentException(
                    "index " + row + " is " + index + ", there are rows 0 to " + (limit - 1));
        }
        return index;
    }

    private static void move(Tensor source, long sourceRow, float scale, Tensor out, long outRow) {
        if (source.dtype() == out.dtype() && scale == 1f) {
            Native.copy(
                    source.address(sourceRow),
                    out.address(outRow),
                    out.cols() * out.dtype().bytes());
            return;
        }
        int cols = Math.toIntExact(out.cols());
        float[] buffer = Elements.buffers(cols)[0];
        Rows.load(source, sourceRow, 0, cols, buffer, 0);
        for (int i = 0; i < cols; i++) {
            buffer[i] *= scale;
        }
        Rows.store(buffer, 0, cols, out, outRow, 0);
    }
}
