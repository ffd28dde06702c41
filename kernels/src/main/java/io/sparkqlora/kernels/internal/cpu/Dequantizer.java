// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantizedMatrix;
import java.util.List;

/** Makes parts of a 4-bit matrix readable; for one thread. */
interface Dequantizer {

    /**
     * Writes rows {@code row} to {@code row + rows}, columns {@code col} to {@code col + cols}; both ends of the columns are
     * those of a row or multiples of {@value LevelTables#UNIT}.
     *
     * @param target where the first element goes
     * @param stride bytes from the start of one row to the start of the next, there
     */
    void run(long row, long rows, long col, long cols, long target, long stride);

    /** Bytes from where a part's first row is written to where row {@code row} of it is. */
    default long offset(long row, long stride) {
        return row * stride;
    }

    /** The fastest that there is; all write the same bits, row after row. */
    static Dequantizer of(QuantizedMatrix matrix, DType out) {
        return of(List.of(matrix), out);
    }

    /** The same for matrices that are one, each under the one before. */
    static Dequantizer of(List<QuantizedMatrix> parts, DType out) {
        StagedCodes staged = new StagedCodes();
        return StackedDequantizer.of(
                parts,
                matrix -> out == DType.BF16 && StagedCodes.supports(matrix)
                        ? new TableDequantizer(matrix, staged)
                        : new BlockDequantizer(matrix, out));
    }

    /** For the order of {@link PairDequantizer}, which must support all parts. */
    static Dequantizer inPairs(List<QuantizedMatrix> parts) {
        StagedCodes staged = new StagedCodes();
        return StackedDequantizer.of(parts, matrix -> new PairDequantizer(matrix, staged));
    }
}
