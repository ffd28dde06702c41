// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

/** What operations demand of their arguments. A failure is a fault of the caller, never of the user. */
final class Checks {

    private Checks() {}

    static void sameShape(Tensor tensor, long rows, long cols) {
        if (tensor.rows() != rows || tensor.cols() != cols) {
            throw new IllegalArgumentException(
                    "a tensor of " + rows + "×" + cols + " is needed, not of " + tensor.rows() + "×" + tensor.cols());
        }
    }

    static void sameShape(Tensor first, Tensor... others) {
        for (Tensor other : others) {
            sameShape(other, first.rows(), first.cols());
        }
    }

    static void contiguous(Tensor tensor) {
        if (!tensor.contiguous()) {
            throw new IllegalArgumentException("a contiguous tensor is needed, not one of " + tensor.rows() + "×"
                    + tensor.cols() + " with row stride " + tensor.rowStride());
        }
    }

    /** A contiguous tensor of one type and so many elements. */
    static void vector(Tensor tensor, DType dtype, long size) {
        if (tensor.dtype() != dtype || tensor.size() != size) {
            throw new IllegalArgumentException(
                    "a vector of " + size + " " + dtype + " is needed, not of " + tensor.size() + " " + tensor.dtype());
        }
        contiguous(tensor);
    }
}
