// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** One matrix product: {@code c = alpha · op(a) · op(b) + beta · c}, checked. */
record Product(Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c) {

    Product {
        DType type = a.dtype();
        Checks.productTypes(type, c.dtype());
        long inner = transposeA ? a.rows() : a.cols();
        boolean fits = inner == (transposeB ? b.cols() : b.rows())
                && c.rows() == (transposeA ? a.cols() : a.rows())
                && c.cols() == (transposeB ? b.rows() : b.cols())
                && b.dtype() == type;
        if (!fits) {
            throw new IllegalArgumentException(
                    text(a, transposeA) + " times " + text(b, transposeB) + " into " + text(c, false));
        }
        if (inner == 0) {
            throw new IllegalArgumentException("a matrix product over no elements: " + text(a, transposeA));
        }
    }

    private static String text(Tensor tensor, boolean transposed) {
        long rows = transposed ? tensor.cols() : tensor.rows();
        long cols = transposed ? tensor.rows() : tensor.cols();
        return "[" + rows + ", " + cols + "] " + tensor.dtype();
    }

    int m() {
        return Math.toIntExact(c.rows());
    }

    int n() {
        return Math.toIntExact(c.cols());
    }

    int k() {
        return Math.toIntExact(transposeA ? a.rows() : a.cols());
    }

    /** Floating-point operations: a multiplication and an addition for each of m·n·k. */
    double flops() {
        return 2.0 * m() * n() * k();
    }

    /** Bytes of both operands, of the result, and of what it is added to. */
    double bytes() {
        return (double) a.bytes() + b.bytes() + c.bytes() * (beta == 0f ? 1 : 2);
    }

    boolean plain() {
        return alpha == 1f && beta == 0f;
    }
}
