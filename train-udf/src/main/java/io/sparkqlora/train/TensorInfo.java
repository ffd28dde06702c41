// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Type and shape of a stored tensor.
 *
 * @param dtype element type
 * @param shape dimensions, outermost first; empty for a scalar
 */
public record TensorInfo(DType dtype, List<Long> shape) {

    public TensorInfo {
        shape = List.copyOf(shape);
    }

    /** Number of elements. */
    public long size() {
        return shape.stream().reduce(1L, Math::multiplyExact);
    }

    /** Bytes of its elements. */
    public long bytes() {
        return Math.multiplyExact(size(), dtype.bytes());
    }

    /** Rows when seen as a matrix: 1 for a vector, the outermost dimension otherwise. */
    public long rows() {
        return shape.size() < 2 ? 1 : shape.get(0);
    }

    /** Elements in a row when seen as a matrix. */
    public long cols() {
        return shape.stream().skip(shape.size() < 2 ? 0 : 1).reduce(1L, Math::multiplyExact);
    }

    /** The shape as people write it: {@code [4096, 11008]}. */
    public String shapeText() {
        return shape.stream().map(String::valueOf).collect(Collectors.joining(", ", "[", "]"));
    }
}
