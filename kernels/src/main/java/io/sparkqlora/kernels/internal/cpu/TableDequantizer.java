// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.QuantizedMatrix;

/**
 * 4-bit codes to BF16 through tables of a block's sixteen numbers, for matrices whose rows and blocks are whole units of it. Several rows of a
 * narrow part are looked up together, since each step has a price of its own.
 */
final class TableDequantizer implements Dequantizer {

    /** Elements that are looked up at once. */
    private static final int CHUNK = StagedCodes.CHUNK;

    private static final int UNIT = LevelTables.UNIT;

    private final QuantizedMatrix matrix;
    private final StagedCodes staged;
    private final float[] levels;
    private final boolean byBytes;
    private final int[] tables = new int[CHUNK / UNIT * LevelTables.LEVELS];
    private final byte[] codes = new byte[CHUNK];
    private final byte[] values = new byte[2 * CHUNK];

    TableDequantizer(QuantizedMatrix matrix, StagedCodes staged) {
        this(matrix, staged, ByteTables.SUPPORTED);
    }

    /** @param byBytes by {@link ByteTables}, else by {@link LevelTables} */
    TableDequantizer(QuantizedMatrix matrix, StagedCodes staged, boolean byBytes) {
        this.matrix = matrix;
        this.staged = staged;
        this.byBytes = byBytes;
        this.levels = matrix.format().type().levels();
    }

    @Override
    public void run(long row, long rows, long col, long cols, long target, long rowBytes) {
        for (long c = 0; c < cols; c += CHUNK) {
            int width = (int) Math.min(CHUNK, cols - c);
            int height = StagedCodes.rows(width);
            for (long r = 0; r < rows; r += height) {
                int count = (int) Math.min(height, rows - r);
                staged.load(matrix, row + r, count, col + c, width);
                lookUp(count, width, target + r * rowBytes + 2 * c, rowBytes);
            }
        }
    }

    private void lookUp(int rows, int cols, long target, long rowBytes) {
        int height = Math.max(1, CHUNK / cols);
        for (int r = 0; r < rows; r += height) {
            int count = Math.min(height, rows - r);
            lookUp(r * cols, count * cols);
            store(count, cols, target + r * rowBytes, rowBytes);
        }
    }

    private void lookUp(int element, int count) {
        int from = element / 2;
        if (byBytes) {
            ByteTables.tables(levels, staged.scales, element / UNIT, count / UNIT, tables);
            ByteTables.lookUp(staged.bytes, from, tables, count / UNIT, values);
        } else {
            LevelTables.halves(staged.bytes, from, count / 2, codes);
            LevelTables.lookUp(codes, levels, staged.scales, element / UNIT, count / UNIT, values);
        }
    }

    private void store(int rows, int cols, long target, long rowBytes) {
        if (rowBytes == 2L * cols) {
            Native.store(values, 0, 2 * rows * cols, target);
            return;
        }
        for (int r = 0; r < rows; r++) {
            Native.store(values, 2 * r * cols, 2 * cols, target + r * rowBytes);
        }
    }
}
