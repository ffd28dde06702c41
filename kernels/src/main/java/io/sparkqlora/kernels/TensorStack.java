// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;
import java.util.Optional;

/**
 * Matrices of one shape and type in one allocation, each at the same distance from the one before: what one launch takes at once.
 *
 * @param first the first
 * @param count how many, at least 1
 * @param distance elements from the start of one to the start of the next; 0 where there is one
 */
public record TensorStack(Tensor first, int count, long distance) {

    public TensorStack {
        if (count < 1 || distance < 0 || (count == 1) != (distance == 0)) {
            throw new IllegalArgumentException("a stack of " + count + " tensors " + distance + " elements apart");
        }
    }

    /** A matrix alone. */
    public static TensorStack of(Tensor only) {
        return new TensorStack(only, 1, 0);
    }

    /** These matrices, if they lie so: none if distances differ, or shapes, strides, types or allocations do. */
    public static Optional<TensorStack> of(List<Tensor> tensors) {
        Tensor first = tensors.get(0);
        if (tensors.size() == 1) {
            return Optional.of(of(first));
        }
        long bytes = tensors.get(1).byteOffset() - first.byteOffset();
        if (bytes <= 0 || bytes % first.dtype().bytes() != 0) {
            return Optional.empty();
        }
        TensorStack stack =
                new TensorStack(first, tensors.size(), bytes / first.dtype().bytes());
        for (int i = 1; i < tensors.size(); i++) {
            if (tensors.get(i).memory() != first.memory() || !stack.lies(tensors.get(i), i)) {
                return Optional.empty();
            }
        }
        return Optional.of(stack);
    }

    private boolean lies(Tensor tensor, int i) {
        return tensor.byteOffset()
                        == first.byteOffset() + i * distance * first.dtype().bytes()
                && tensor.dtype() == first.dtype()
                && tensor.rows() == first.rows()
                && tensor.cols() == first.cols()
                && tensor.rowStride() == first.rowStride();
    }

    /** The rows of a matrix, cut into {@code count} runs of equal length. */
    public static TensorStack runs(Tensor matrix, int count) {
        if (matrix.rows() % count != 0) {
            throw new IllegalArgumentException(matrix.rows() + " rows in " + count + " equal runs");
        }
        long rows = matrix.rows() / count;
        return new TensorStack(matrix.rowRange(0, rows), count, count == 1 ? 0 : rows * matrix.rowStride());
    }

    /** The {@code i}th matrix. */
    public Tensor get(int i) {
        if (i < 0 || i >= count) {
            throw new IllegalArgumentException("matrix " + i + " of " + count);
        }
        long at = first.byteOffset() + i * distance * first.dtype().bytes();
        return new Tensor(first.memory(), at, first.dtype(), first.rows(), first.cols(), first.rowStride());
    }

    /** Rows of each. */
    public long rows() {
        return first.rows();
    }

    /** Columns of each. */
    public long cols() {
        return first.cols();
    }

    /** Bytes of the elements of all. */
    public long bytes() {
        return count * first.bytes();
    }
}
