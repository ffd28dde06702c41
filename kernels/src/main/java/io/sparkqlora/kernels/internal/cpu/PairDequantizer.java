// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.QuantizedMatrix;

/**
 * 4-bit codes to BF16 in the order that oneDNN's products read their second operand in ({@link Product#inPairs}), which it would
 * else make a copy of: 64 columns after 64 columns, and in each two rows after two rows, element by element in turn.
 */
final class PairDequantizer implements Dequantizer {

    private static final int UNIT = LevelTables.UNIT;
    /** Rows that are looked up at once. */
    private static final int ROWS = 32;
    /** Of a row, in 64 columns. */
    private static final int ROW_BYTES = 2 * UNIT;

    private final QuantizedMatrix matrix;
    private final StagedCodes staged;
    private final float[] levels;
    private final PairLookup lookup = new PairLookup();
    private final int[] tables = new int[ROWS / 2 * LevelTables.LEVELS];
    private final byte[] values = new byte[ROWS * ROW_BYTES];

    PairDequantizer(QuantizedMatrix matrix, StagedCodes staged) {
        this.matrix = matrix;
        this.staged = staged;
        this.levels = matrix.format().type().levels();
    }

    static boolean supports(QuantizedMatrix matrix) {
        return ByteTables.SUPPORTED && StagedCodes.supports(matrix) && matrix.rows() % 2 == 0;
    }

    /**
     * {@inheritDoc}
     *
     * @param row even, as is {@code rows}
     * @param stride bytes from the start of 64 columns to the start of the next
     */
    @Override
    public void run(long row, long rows, long col, long cols, long target, long stride) {
        for (long c = 0; c < cols; c += StagedCodes.CHUNK) {
            int width = (int) Math.min(StagedCodes.CHUNK, cols - c);
            int height = StagedCodes.rows(width);
            for (long r = 0; r < rows; r += height) {
                int count = (int) Math.min(height, rows - r);
                staged.load(matrix, row + r, count, col + c, width);
                lookUp(count, width, target + c / UNIT * stride + offset(r, stride), stride);
            }
        }
    }

    private void lookUp(int rows, int cols, long target, long stride) {
        for (int unit = 0; unit < cols / UNIT; unit++) {
            for (int r = 0; r < rows; r += ROWS) {
                int count = Math.min(ROWS, rows - r);
                int scale = r * cols / UNIT + unit;
                ByteTables.tablesOfPairs(levels, staged.scales, scale, cols / UNIT, count / 2, tables);
                int code = (r * cols + unit * UNIT) / 2;
                lookup.run(staged.bytes, code, cols / 2, tables, count / 2, values);
                Native.store(values, 0, count * ROW_BYTES, target + unit * stride + offset(r, stride));
            }
        }
    }

    @Override
    public long offset(long row, long stride) {
        return row * ROW_BYTES;
    }
}
