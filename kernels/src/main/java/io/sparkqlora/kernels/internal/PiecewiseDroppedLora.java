// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;

/**
 * Dropout and products one after another, on pieces of so many rows as the scratch has: on a processor a piece stays in the
 * caches from one to the next. Sums over pieces are in the order of the rows.
 */
public record PiecewiseDroppedLora(Matmul matmul, Dropout dropout, Elementwise elementwise) implements DroppedLora {

    @Override
    public void project(Tensor x, Tensor a, float scaling, Masks masks, Tensor scratch, Tensor t) {
        DroppedChecks.of(x, a, masks, t);
        eachPiece(x, masks, scratch, (i, from, piece, dropped) -> {
            drop(piece, masks, i, from, dropped);
            Tensor own = layer(t.rowRange(from, from + piece.rows()), masks, i);
            matmul.multiply(dropped, false, rows(a, masks, i), true, scaling, 0f, own);
        });
    }

    @Override
    public void gradientOfA(Tensor dt, Tensor x, Masks masks, Tensor scratch, Tensor gradA) {
        DroppedChecks.of(x, gradA, masks, dt);
        eachPiece(x, masks, scratch, (i, from, piece, dropped) -> {
            drop(piece, masks, i, from, dropped);
            Tensor own = layer(dt.rowRange(from, from + piece.rows()), masks, i);
            matmul.multiply(own, true, dropped, false, 1f, 1f, rows(gradA, masks, i));
        });
    }

    @Override
    public void addDropped(Tensor dt, Tensor a, Masks masks, Tensor scratch, Tensor dx) {
        DroppedChecks.of(dx, a, masks, dt);
        eachPiece(dx, masks, scratch, (i, from, piece, through) -> {
            Tensor own = layer(dt.rowRange(from, from + piece.rows()), masks, i);
            matmul.multiply(own, false, rows(a, masks, i), false, 1f, 0f, through);
            drop(through, masks, i, from, through);
            elementwise.add(piece, through, piece);
        });
    }

    /** What to do with rows of a wide matrix, from row {@code from} on, for layer {@code i}; the scratch has as many. */
    @FunctionalInterface
    private interface Piece {
        void run(int i, long from, Tensor piece, Tensor scratch);
    }

    private static void eachPiece(Tensor wide, Masks masks, Tensor scratch, Piece body) {
        for (long from = 0; from < wide.rows(); from += scratch.rows()) {
            long to = Math.min(wide.rows(), from + scratch.rows());
            for (int i = 0; i < masks.streams().size(); i++) {
                body.run(i, from, wide.rowRange(from, to), scratch.rowRange(0, to - from));
            }
        }
    }

    private void drop(Tensor x, Masks masks, int i, long firstRow, Tensor out) {
        dropout.apply(
                x, masks.p(), masks.seed(), masks.streamBase(), masks.streams().get(i), firstRow, out);
    }

    private static Tensor layer(Tensor columns, Masks masks, int i) {
        long rank = columns.cols() / masks.streams().size();
        return columns.colRange(i * rank, (i + 1) * rank);
    }

    private static Tensor rows(Tensor matrix, Masks masks, int i) {
        long rank = matrix.rows() / masks.streams().size();
        return matrix.rowRange(i * rank, (i + 1) * rank);
    }
}
