// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RowSelect;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

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
