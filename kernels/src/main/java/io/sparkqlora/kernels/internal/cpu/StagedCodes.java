// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.QuantizedMatrix;

/**
 * Codes and scales of some rows and columns of a 4-bit matrix, copied to arrays, where vector instructions can read them; for one thread.
 * Rows of a few columns lie far apart, so many are copied before any is looked up: the processor then waits for all their cache misses
 * together. Wide ones come in the order of memory, which it fetches ahead by itself, and stay in the first-level cache if they are few.
 */
final class StagedCodes {

    /** Most elements of narrow rows. */
    static final int ELEMENTS = 1 << 15;
    /** Most elements of wide rows, and most columns. */
    static final int CHUNK = 2048;
    /** Columns that make a row a wide one. */
    private static final int WIDE = 1024;

    private static final int UNIT = LevelTables.UNIT;

    /** Two codes each, the first in the high half, row after row without gaps. */
    final byte[] bytes = new byte[ELEMENTS / 2];
    /** One a unit of {@value LevelTables#UNIT} elements, row after row. */
    final float[] scales = new float[ELEMENTS / UNIT];

    /** Whether each unit of a matrix has one scale: rows and blocks of whole units. */
    static boolean supports(QuantizedMatrix matrix) {
        int blockSize = matrix.format().blockSize();
        return LevelTables.SUPPORTED && blockSize % UNIT == 0 && matrix.cols() % blockSize == 0;
    }

    /** Rows that had better be copied at once; even. */
    static int rows(int cols) {
        return Math.max(2, (cols < WIDE ? ELEMENTS : CHUNK) / cols / 2 * 2);
    }

    /**
     * Copies them, at most {@link #rows} of them.
     *
     * @param cols whole units, at most {@value #CHUNK}
     */
    void load(QuantizedMatrix matrix, long row, int rows, long col, int cols) {
        long first = row * matrix.cols() + col;
        long from = matrix.packed().address() + first / 2;
        if (cols == matrix.cols()) {
            Native.load(from, bytes, 0, rows * cols / 2);
        } else {
            for (int r = 0; r < rows; r++) {
                Native.load(from + r * matrix.cols() / 2, bytes, r * cols / 2, cols / 2);
            }
        }
        for (int r = 0; r < rows; r++) {
            scales(matrix, first + r * matrix.cols(), r * (cols / UNIT), cols / UNIT);
        }
    }

    private void scales(QuantizedMatrix matrix, long element, int at, int units) {
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
