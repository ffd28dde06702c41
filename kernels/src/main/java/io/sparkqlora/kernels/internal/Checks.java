// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;

/** What operations demand of their arguments. A failure is a fault of the caller, never of the user. */
public final class Checks {

    private Checks() {}

    /** Of one size, the tensor without gaps. */
    public static void sameBytes(ByteBuffer buffer, Tensor tensor) {
        if (!tensor.contiguous() || buffer.remaining() != tensor.bytes()) {
            throw new IllegalArgumentException("a buffer of " + buffer.remaining() + " bytes and a "
                    + (tensor.contiguous() ? "" : "strided ") + "tensor of " + tensor.bytes() + " bytes don't match");
        }
    }

    /** A matrix of this shape. */
    public static void shape(Tensor tensor, long rows, long cols) {
        if (tensor.rows() != rows || tensor.cols() != cols) {
            throw new IllegalArgumentException(
                    "a tensor of " + rows + "×" + cols + " is needed, not of " + tensor.rows() + "×" + tensor.cols());
        }
    }

    /** All of the first one's shape. */
    public static void sameShape(Tensor first, Tensor... others) {
        for (Tensor other : others) {
            shape(other, first.rows(), first.cols());
        }
    }

    /** All of the first one's shape, and of types that kernels read and write. */
    public static void alike(Tensor first, Tensor... others) {
        floating(first);
        for (Tensor other : others) {
            floating(other);
        }
        sameShape(first, others);
    }

    /** Of a type that operations compute with. */
    public static void floating(Tensor tensor) {
        floating(tensor.dtype());
    }

    /** A type that operations compute with. */
    public static void floating(DType dtype) {
        if (dtype != DType.F32 && dtype != DType.BF16 && dtype != DType.F16) {
            throw KernelErrors.unsupportedDType(dtype, "F32, BF16 and F16");
        }
    }

    /** Of a product: the result is F32 or of the operands' type, or the operands are F32. */
    public static void productTypes(DType operands, DType result) {
        floating(operands);
        floating(result);
        if (operands != result && operands != DType.F32 && result != DType.F32) {
            throw new IllegalArgumentException("a product of " + operands + " is not rounded to " + result);
        }
    }

    /** All of the first one's shape, of types that kernels read and write, and rows of whole heads, each as wide as the weight. */
    public static void heads(Tensor weight, Tensor first, Tensor... others) {
        alike(first, others);
        floating(weight);
        shape(weight, 1, weight.size());
        if (weight.cols() < 1 || first.cols() % weight.cols() != 0) {
            throw new IllegalArgumentException("rows of " + first.cols() + " are no heads of " + weight.cols());
        }
    }

    /** Without gaps between its rows. */
    public static void contiguous(Tensor tensor) {
        if (!tensor.contiguous()) {
            throw new IllegalArgumentException("a contiguous tensor is needed, not one of " + tensor.rows() + "×"
                    + tensor.cols() + " with row stride " + tensor.rowStride());
        }
    }

    /** A contiguous tensor of one type and so many elements. */
    public static void vector(Tensor tensor, DType dtype, long size) {
        if (tensor.dtype() != dtype || tensor.size() != size) {
            throw new IllegalArgumentException(
                    "a vector of " + size + " " + dtype + " is needed, not of " + tensor.size() + " " + tensor.dtype());
        }
        contiguous(tensor);
    }

    /** Rows that are added to those of an F32 table, each with its index there and its place in the order of the sum. */
    public static void addedRows(Tensor rows, Tensor indices, Tensor order, Tensor table) {
        floating(rows);
        vector(indices, DType.I32, rows.rows());
        vector(order, DType.I32, rows.rows());
        shape(table, table.rows(), rows.cols());
        if (table.dtype() != DType.F32) {
            throw new IllegalArgumentException("rows are added to a table of F32, not of " + table.dtype());
        }
    }
}
