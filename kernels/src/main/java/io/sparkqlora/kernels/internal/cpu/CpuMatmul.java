// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/**
 * Matrix products by oneDNN, a slice of c a thread. Operands are read as they lie: with AMX, packing them first gains
 * nothing. The slices, and with them the order of sums, are a function of the shapes and the number of threads.
 */
final class CpuMatmul implements Matmul {

    /** Multiply-adds below which handing work to another thread costs more than it saves. */
    private static final long WORTH_SHARING = 1L << 21;
    /** Slices start at whole tiles of the matrix units. */
    private static final long TILE = 64;

    private final Workers workers;
    private final Products products;

    CpuMatmul(Workers workers, Products products) {
        this.workers = workers;
        this.products = products;
    }

    @Override
    public void multiply(
            Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c) {
        Product product = product(a, transposeA, b, transposeB, alpha, beta, c);
        if (product.m() == 0 || product.n() == 0) {
            return;
        }
        if (product.k() == 0) {
            throw new IllegalArgumentException("a matrix product over no elements: " + product);
        }
        if (product.m() >= product.n()) {
            byRows(product, a.address(), b.address(), c.address());
        } else {
            byColumns(product, a.address(), b.address(), c.address());
        }
    }

    private static Product product(
            Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c) {
        long m = transposeA ? a.cols() : a.rows();
        long k = transposeA ? a.rows() : a.cols();
        long n = transposeB ? b.rows() : b.cols();
        long kOfB = transposeB ? b.cols() : b.rows();
        if (k != kOfB || c.rows() != m || c.cols() != n || a.dtype() != b.dtype()) {
            throw new IllegalArgumentException("[" + m + ", " + k + "] " + a.dtype() + " times [" + kOfB + ", " + n
                    + "] " + b.dtype() + " into [" + c.rows() + ", " + c.cols() + "] " + c.dtype());
        }
        Checks.productTypes(a.dtype(), c.dtype());
        return new Product(
                m,
                n,
                k,
                a.dtype(),
                c.dtype(),
                transposeA,
                a.rowStride(),
                transposeB,
                b.rowStride(),
                c.rowStride(),
                alpha,
                beta);
    }

    private void byRows(Product product, long a, long b, long c) {
        long slice = slice(product.m(), product);
        workers.forRange(slices(product.m(), slice), 1, (from, to) -> {
            for (long i = from; i < to; i++) {
                long row = i * slice;
                Product part = product.rows(Math.min(slice, product.m() - row));
                DeepProduct.run(products, part, a + product.offsetA(row), b, c + product.offsetC(row, 0));
            }
        });
    }

    private void byColumns(Product product, long a, long b, long c) {
        long slice = slice(product.n(), product);
        workers.forRange(slices(product.n(), slice), 1, (from, to) -> {
            for (long i = from; i < to; i++) {
                long column = i * slice;
                Product part = product.columns(Math.min(slice, product.n() - column));
                DeepProduct.run(products, part, a, b + product.offsetB(column), c + product.offsetC(0, column));
            }
        });
    }

    private long slice(long length, Product product) {
        if (product.m() * product.n() * product.k() < WORTH_SHARING) {
            return length;
        }
        long share = slices(length, workers.threads());
        return slices(share, TILE) * TILE;
    }

    private static long slices(long length, long slice) {
        return (length + slice - 1) / slice;
    }
}
