// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/** The columns that low-rank updates of one adapter add to a weight: their {@code B}s as blocks on a diagonal. */
final class LowRankColumns {

    private LowRankColumns() {}

    /**
     * Writes columns {@code from} to {@code to} of the weight's rows {@code row} to {@code row + rows}, zeros where there is no
     * block.
     *
     * @param panel where those rows start, contiguous, {@code to} elements each
     */
    static void write(
            List<LoraLinear.Update> updates, long row, long rows, long from, long to, DType dtype, long panel) {
        int width = dtype.bytes();
        for (long r = 0; r < rows && from < to; r++) {
            Native.fill(panel + (r * to + from) * width, (to - from) * width, (byte) 0);
        }
        for (int i = 0; i < updates.size(); i++) {
            Tensor b = updates.get(i).b().first();
            long first = Math.max(row, updates.get(i).from());
            long last = Math.min(row + rows, updates.get(i).from() + b.rows());
            for (long r = first; r < last; r++) {
                long target = panel + ((r - row) * to + from + i * b.cols()) * width;
                Native.copy(b.address(r - updates.get(i).from()), target, b.cols() * width);
            }
        }
    }
}
