// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A matrix view of device memory: {@code rows × cols} elements of one type, row-major, {@code rowStride} elements from one
 * row to the next. It owns nothing. A vector is a matrix of one row.
 *
 * @param memory the allocation that it lies in
 * @param byteOffset where it starts in that allocation
 * @param dtype element type
 * @param rows number of rows
 * @param cols elements in a row
 * @param rowStride elements from the start of one row to the start of the next, at least {@code cols}
 */
public record Tensor(Memory memory, long byteOffset, DType dtype, long rows, long cols, long rowStride) {

    public Tensor {
        if (rows < 0 || cols < 0 || rowStride < cols) {
            throw new IllegalArgumentException(
                    "a tensor of " + rows + "×" + cols + " with row stride " + rowStride + " can't exist");
        }
        long end = rows == 0 || cols == 0 ? 0 : byteOffset + ((rows - 1) * rowStride + cols) * dtype.bytes();
        if (byteOffset < 0 || end > memory.bytes()) {
            throw new IllegalArgumentException("a tensor of " + rows + "×" + cols + " " + dtype + " at byte "
                    + byteOffset + " reaches past its memory of " + memory.bytes() + " bytes");
        }
    }

    /** A contiguous matrix at the start of {@code memory}. */
    public static Tensor of(Memory memory, DType dtype, long rows, long cols) {
        return new Tensor(memory, 0, dtype, rows, cols, cols);
    }

    /** Address of the first element. */
    public long address() {
        return memory.address() + byteOffset;
    }

    /** Address of the first element of row {@code row}. */
    public long address(long row) {
        return address() + row * rowStride * dtype.bytes();
    }

    /** Number of elements. */
    public long size() {
        return rows * cols;
    }

    /** Bytes of its elements, gaps between rows not counted. */
    public long bytes() {
        return size() * dtype.bytes();
    }

    /** Whether its rows follow each other without gaps. */
    public boolean contiguous() {
        return rowStride == cols || rows <= 1;
    }

    /** Rows {@code from} (inclusive) to {@code to} (exclusive). */
    public Tensor rowRange(long from, long to) {
        if (from < 0 || to < from || to > rows) {
            throw new IllegalArgumentException("rows " + from + "–" + to + " of " + rows);
        }
        return new Tensor(memory, byteOffset + from * rowStride * dtype.bytes(), dtype, to - from, cols, rowStride);
    }

    /** Columns {@code from} (inclusive) to {@code to} (exclusive); the row stride stays. */
    public Tensor colRange(long from, long to) {
        if (from < 0 || to < from || to > cols) {
            throw new IllegalArgumentException("columns " + from + "–" + to + " of " + cols);
        }
        return new Tensor(memory, byteOffset + from * dtype.bytes(), dtype, rows, to - from, rowStride);
    }

    /** The same elements in another shape; only for a contiguous tensor. */
    public Tensor reshape(long newRows, long newCols) {
        if (!contiguous() || newRows * newCols != size()) {
            throw new IllegalArgumentException(
                    rows + "×" + cols + " (row stride " + rowStride + ") as " + newRows + "×" + newCols);
        }
        return new Tensor(memory, byteOffset, dtype, newRows, newCols, newCols);
    }
}
