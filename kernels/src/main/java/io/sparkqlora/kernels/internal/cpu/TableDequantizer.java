// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.QuantizedMatrix;

/**
 * 4-bit codes to BF16 through tables of a block's sixteen numbers, for matrices whose rows and blocks are whole units of it. Several rows of a
 * narrow part are staged together, since each step has a price of its own.
 */
final class TableDequantizer implements Dequantizer {

    /** Elements that are staged at once. */
    private static final int CHUNK = 2048;

    private static final int UNIT = LevelTables.UNIT;

    private final QuantizedMatrix matrix;
    private final float[] levels;
    private final boolean byBytes;
    private final byte[] bytes = new byte[CHUNK / 2 + ByteTables.OVERREAD];
    private final byte[] codes = new byte[CHUNK];
    private final float[] scales = new float[CHUNK / UNIT];
    private final byte[] values = new byte[2 * CHUNK];

    TableDequantizer(QuantizedMatrix matrix) {
        this(matrix, ByteTables.SUPPORTED);
    }

    /** @param byBytes by {@link ByteTables}, else by {@link LevelTables} */
    TableDequantizer(QuantizedMatrix matrix, boolean byBytes) {
        this.matrix = matrix;
        this.byBytes = byBytes;
        this.levels = matrix.format().type().levels();
    }

    /** Whole blocks in a row, so that each unit has one scale. */
    static boolean supports(QuantizedMatrix matrix) {
        int blockSize = matrix.format().blockSize();
        return LevelTables.SUPPORTED && blockSize % UNIT == 0 && matrix.cols() % blockSize == 0;
    }

    @Override
    public void run(long row, long rows, long col, long cols, long target, long rowBytes) {
        for (long c = 0; c < cols; c += CHUNK) {
            int width = (int) Math.min(CHUNK, cols - c);
            int height = CHUNK / width;
            for (long r = 0; r < rows; r += height) {
                int count = (int) Math.min(height, rows - r);
                part(row + r, count, col + c, width, target + r * rowBytes + 2 * c, rowBytes);
            }
        }
    }

    private void part(long row, int rows, long col, int cols, long target, long rowBytes) {
        for (int r = 0; r < rows; r++) {
            long element = (row + r) * matrix.cols() + col;
            Native.load(matrix.packed().address() + element / 2, bytes, r * cols / 2, cols / 2);
            scales(element, r * (cols / UNIT), cols / UNIT);
        }
        if (byBytes) {
            ByteTables.lookUp(bytes, levels, scales, rows * cols / UNIT, values);
        } else {
            LevelTables.halves(bytes, rows * cols / 2, codes);
            LevelTables.lookUp(codes, levels, scales, rows * cols / UNIT, values);
        }
        if (rowBytes == 2L * cols) {
            Native.store(values, 0, 2 * rows * cols, target);
            return;
        }
        for (int r = 0; r < rows; r++) {
            Native.store(values, 2 * r * cols, 2 * cols, target + r * rowBytes);
        }
    }

    private void scales(long element, int at, int units) {
        int blockSize = matrix.format().blockSize();
        if (blockSize == UNIT) {
            ScaleCodec.decode(matrix, element / UNIT, units, scales, at);
            return;
        }
        for (int i = 0; i < units; i++) {
            ScaleCodec.decode(matrix, (element + (long) i * UNIT) / blockSize, 1, scales, at + i);
        }
    }
}
