// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;

/**
 * A product with operands or a result in F16, computed in F32, for one thread: few processors multiply halves, and those of two
 * halves are exact in F32. Panels are widened into a thread's own memory, of bounded size whatever the shape, and their products are
 * added up in order; an element is widened once for some hundred multiplications.
 */
record WidenedProduct(Products products, Product product) {

    /** Rows and columns of a block of c, and how much of the inner dimension is widened at once: 12 MB of operands and sums. */
    private static final long SIDE = 512;

    private static final long DEPTH = 2048;

    /** Computes it on operands at these addresses. */
    void run(long a, long b, long c) {
        NativeBuffer memory = products.borrowScratch();
        try {
            long side = 4 * SIDE * Math.min(DEPTH, product.k());
            Slices slices = new Slices(memory.atLeast(2 * side + 4 * SIDE * SIDE + Slices.SLACK));
            Block block = new Block(slices.next(side), slices.next(side), slices.next(4 * SIDE * SIDE));
            for (long row = 0; row < product.m(); row += SIDE) {
                for (long column = 0; column < product.n(); column += SIDE) {
                    Product part = product.rows(Math.min(SIDE, product.m() - row))
                            .columns(Math.min(SIDE, product.n() - column));
                    block(
                            part,
                            block,
                            a + product.offsetA(row),
                            b + product.offsetB(column),
                            c + product.offsetC(row, column));
                }
            }
        } finally {
            products.giveBackScratch(memory);
        }
    }

    /** Where the operands of one block and its sums lie, in F32. */
    private record Block(long a, long b, long sums) {}

    private void block(Product part, Block block, long a, long b, long c) {
        for (long at = 0; at < part.k(); at += DEPTH) {
            long depth = Math.min(DEPTH, part.k() - at);
            Product wide = part.widened(depth, at == 0 ? 0f : 1f);
            widen(part.transposeA() ? depth : part.m(), wide.lda(), a + part.innerOffsetA(at), part.lda(), block.a);
            widen(part.transposeB() ? part.n() : depth, wide.ldb(), b + part.innerOffsetB(at), part.ldb(), block.b);
            products.run(wide, block.a, block.b, block.sums);
        }
        finish(part, block.sums, c);
    }

    /** Rows of so many columns, as they lie, without what is between them. */
    private void widen(long rows, long columns, long source, long stride, long target) {
        int count = Math.toIntExact(columns);
        float[] row = Elements.buffers(count)[0];
        for (long r = 0; r < rows; r++) {
            Rows.load(product.inputs(), source + r * stride * product.inputs().bytes(), count, row, 0);
            Native.store(row, 0, count, target + 4 * r * columns);
        }
    }

    /** {@code c = sums + beta · c}, rounded once. */
    private void finish(Product part, long sums, long c) {
        int count = Math.toIntExact(part.n());
        float[][] buffers = Elements.buffers(count);
        DType type = part.output();
        for (long r = 0; r < part.m(); r++) {
            long target = c + part.offsetC(r, 0);
            Native.load(sums + 4 * r * part.n(), buffers[0], 0, count);
            if (part.beta() != 0f) {
                Rows.load(type, target, count, buffers[1], 0);
                for (int i = 0; i < count; i++) {
                    buffers[0][i] = Math.fma(part.beta(), buffers[1][i], buffers[0][i]);
                }
            }
            Rows.store(buffers[0], 0, count, type, target);
        }
    }
}
