// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;

/**
 * A product over so many elements that a's rows don't fit the caches while the columns of b pass by, such as the gradient over
 * a vocabulary: some elements of the inner dimension at a time, added in order in F32 and rounded at the end. For one thread.
 *
 * @param depth most elements of the inner dimension at a time
 */
record DeepProduct(Products products, Product product, long depth) {

    /** Where oneDNN's own order is a quarter slower; half of it still is no deeper than most weights. */
    private static final long MIN_DEPTH = 8192;

    private static final long DEPTH = 2048;

    /** Computes the product at these addresses, in one piece or in several, as the processor likes it. */
    static void run(Products products, Product product, long a, long b, long c) {
        boolean narrow = product.inputs() == DType.BF16 && product.output() == DType.BF16;
        if (narrow && product.beta() == 0f && product.k() >= MIN_DEPTH && !OneDnn.hasMatrixUnits()) {
            new DeepProduct(products, product, DEPTH).run(a, b, c);
        } else {
            products.run(product, a, b, c);
        }
    }

    /** In pieces. */
    void run(long a, long b, long c) {
        NativeBuffer memory = products.borrowScratch();
        try {
            long sums = memory.atLeast(4 * product.m() * product.n());
            for (long at = 0; at < product.k(); at += depth) {
                Product part = product.summed(Math.min(depth, product.k() - at), at == 0 ? 0f : 1f);
                products.run(part, a + product.innerOffsetA(at), b + product.innerOffsetB(at), sums);
            }
            Rows.narrow(sums, product.m(), Math.toIntExact(product.n()), product.output(), c, product.ldc());
        } finally {
            products.giveBackScratch(memory);
        }
    }
}
