// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantizedMatrix;

/** Makes parts of a 4-bit matrix readable; for one thread. */
interface Dequantizer {

    /**
     * Writes rows {@code row} to {@code row + rows}, columns {@code col} to {@code col + cols}; both ends of the columns are
     * those of a row or multiples of {@value LevelTables#UNIT}.
     *
     * @param target where the first element goes
     * @param rowBytes from the start of one row to the start of the next, there
     */
    void run(long row, long rows, long col, long cols, long target, long rowBytes);

    /** The fastest that there is; all write the same bits. */
    static Dequantizer of(QuantizedMatrix matrix, DType out) {
        return out == DType.BF16 && TableDequantizer.supports(matrix)
                ? new TableDequantizer(matrix)
                : new BlockDequantizer(matrix, out);
    }
}
