// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;

/**
 * How attention is cut into tiles. A tile pairs {@code queries} query positions of all the query heads that share a key/value
 * head, one head's rows after another's, with {@value #KEYS} keys. Every tile has the same shape, ends are padded with
 * zeros, so a model needs a handful of matrix products whatever its sequences' lengths.
 *
 * @param dtype of q, k, v
 * @param group query heads a key/value head
 * @param headDim elements of a head
 * @param queries query positions in a tile
 * @param width {@code headDim}, rounded up so that a row is whole tiles of the matrix units
 */
record AttentionTiles(DType dtype, int group, int headDim, int queries, int width) {

    static final int KEYS = 128;
    private static final int MAX_ROWS = 256;
    private static final int MAX_QUERIES = 128;
    private static final int WIDTH_STEP = 32;

    /** Tiles for sequences of at most {@code longest} queries: a power of two of them, about {@value #MAX_ROWS} rows. */
    static AttentionTiles of(DType dtype, Attention.Settings settings, int longest) {
        int group = settings.heads() / settings.kvHeads();
        int queries = Integer.highestOneBit(Math.max(16, Math.min(MAX_QUERIES, MAX_ROWS / group)));
        while (queries / 2 >= longest) {
            queries /= 2;
        }
        int width = (settings.headDim() + WIDTH_STEP - 1) / WIDTH_STEP * WIDTH_STEP;
        return new AttentionTiles(dtype, group, settings.headDim(), queries, width);
    }

    /** Rows of a tile. */
    int rows() {
        return group * queries;
    }

    /** Keys of a sequence, rounded up to whole tiles. */
    static int padded(int keys) {
        return (keys + KEYS - 1) / KEYS * KEYS;
    }

    /** {@code [rows, KEYS] = Q · Kᵀ}. */
    Product scores() {
        return product(rows(), KEYS, width, DType.F32, false, width, true, width, KEYS, 0f);
    }

    /** {@code [rows, width] = P · V}, added to what is there if {@code beta} is 1. */
    Product output(float beta) {
        return product(rows(), width, KEYS, DType.F32, false, KEYS, false, width, width, beta);
    }

    /** {@code [KEYS, rows] = K · Qᵀ}, and {@code V · dOᵀ}. */
    Product transposedScores() {
        return product(KEYS, rows(), width, DType.F32, false, width, true, width, rows(), 0f);
    }

    /** {@code [KEYS, width] += Pᵀ · dO}, and {@code dSᵀ · Q}, of a P that lies transposed. */
    Product keyGradient() {
        return product(KEYS, width, rows(), DType.F32, false, rows(), false, width, width, 1f);
    }

    /** {@code [rows, width] = dS · K}, of a dS that lies transposed; added if {@code beta} is 1. */
    Product queryGradient(float beta) {
        return product(rows(), width, KEYS, DType.F32, true, rows(), false, width, width, beta);
    }

    private Product product(
            long m, long n, long k, DType out, boolean ta, long lda, boolean tb, long ldb, long ldc, float beta) {
        return new Product(m, n, k, dtype, out, ta, lda, tb, ldb, ldc, 1f, beta);
    }
}
