// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;

/**
 * The shape of one matrix product {@code c = alpha · op(a) · op(b) + beta · c}, all that oneDNN makes its code from.
 *
 * @param inputs type of a and b
 * @param lda elements from row to row of a as it lies in memory, likewise {@code ldc}
 * @param ldb the same of b; {@link #PAIRS} for the order of {@link #inPairs}
 */
record Product(
        long m,
        long n,
        long k,
        DType inputs,
        DType output,
        boolean transposeA,
        long lda,
        boolean transposeB,
        long ldb,
        long ldc,
        float alpha,
        float beta)
        implements Shape {

    /** In place of the elements from row to row of an operand in pairs. */
    static final long PAIRS = 0;
    /** What rows of such an operand are filled up to, and columns. */
    static final long PAIRS_ROWS = 32;

    static final long PAIRS_COLUMNS = 64;
    private static final long TILE_K = 32;

    /**
     * The same with b in the order that matrix units multiply in (oneDNN's {@code BA16a64b2a}), of which oneDNN makes no copy: 64 columns after 64
     * columns; of those, two rows after two rows, element by element in turn. Rows are filled up with zeros to multiples of
     * {@value #PAIRS_ROWS}, columns to multiples of {@value #PAIRS_COLUMNS}. BF16 alone.
     */
    Product inPairs() {
        return new Product(m, n, k, inputs, output, transposeA, lda, false, PAIRS, ldc, alpha, beta);
    }

    boolean pairs() {
        return ldb == PAIRS;
    }

    /** Bytes of 64 columns of {@code rows} rows in that order. */
    static long bytesOfPairs(long rows) {
        return (rows + PAIRS_ROWS - 1) / PAIRS_ROWS * PAIRS_ROWS * PAIRS_COLUMNS * DType.BF16.bytes();
    }

    /** Bytes of an operand in that order. */
    static long bytesOfPairs(long rows, long columns) {
        return (columns + PAIRS_COLUMNS - 1) / PAIRS_COLUMNS * bytesOfPairs(rows);
    }

    @Override
    public OneDnnCall code() {
        return OneDnnMatmul.of(this);
    }

    /** The part of it that makes {@code count} rows of c. */
    Product rows(long count) {
        return new Product(count, n, k, inputs, output, transposeA, lda, transposeB, ldb, ldc, alpha, beta);
    }

    /** The part of it that makes {@code count} columns of c. */
    Product columns(long count) {
        return new Product(m, count, k, inputs, output, transposeA, lda, transposeB, ldb, ldc, alpha, beta);
    }

    /** Bytes from the start of a to what row {@code row} of c needs. */
    long offsetA(long row) {
        return (transposeA ? row : row * lda) * inputs.bytes();
    }

    /** Bytes from the start of b to what column {@code column} of c needs. */
    long offsetB(long column) {
        return (transposeB ? column * ldb : column) * inputs.bytes();
    }

    /** Bytes from the start of a, and of b, to element {@code at} of the inner dimension. */
    long innerOffsetA(long at) {
        return (transposeA ? at * lda : at) * inputs.bytes();
    }

    long innerOffsetB(long at) {
        return (transposeB ? at : at * ldb) * inputs.bytes();
    }

    /** What {@code count} elements of the inner dimension contribute to contiguous sums in F32, of which {@code beta} are kept. */
    Product summed(long count, float beta) {
        return new Product(m, n, count, inputs, DType.F32, transposeA, lda, transposeB, ldb, n, alpha, beta);
    }

    /** The same of {@code count} elements of the inner dimension in F32, operands and result without gaps; {@code beta} of it is kept. */
    Product widened(long count, float beta) {
        long rowOfA = transposeA ? m : count;
        long rowOfB = transposeB ? count : n;
        return new Product(m, n, count, DType.F32, DType.F32, transposeA, rowOfA, transposeB, rowOfB, n, alpha, beta);
    }

    /** Whether a type is F16, with which oneDNN computes on few processors. */
    boolean involvesHalves() {
        return inputs == DType.F16 || output == DType.F16;
    }

    long offsetC(long row, long column) {
        return (row * ldc + column) * output.bytes();
    }

    /**
     * Whether oneDNN reads past the ends of a's rows. Its AMX code loads whole tiles of {@value #TILE_K} BF16 elements and
     * multiplies what lies past the end by zero, which is harmless unless it looks like an infinity or not-a-number.
     */
    boolean readsPastRows() {
        boolean wholeTiles = k % TILE_K == 0 || (k < TILE_K && k % 2 == 0);
        return inputs == DType.BF16 && !transposeA && !wholeTiles;
    }

    /** The same product of an a whose rows have been padded to whole tiles. */
    Product paddedA() {
        long padded = (k + TILE_K - 1) / TILE_K * TILE_K;
        return new Product(m, n, k, inputs, output, false, padded, transposeB, ldb, ldc, alpha, beta);
    }
}
