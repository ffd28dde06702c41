// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Sequences;
import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

/** One call of attention, forward or backward, checked; what forward has no use for is null. */
record AttentionCall(
        Tensor q,
        Tensor k,
        Tensor v,
        Tensor out,
        Tensor logSumExp,
        Sequences sequences,
        Settings settings,
        Tensor dOut,
        Tensor dq,
        Tensor dk,
        Tensor dv) {

    AttentionCall {
        long queryCols = (long) settings.heads() * settings.headDim();
        long keyCols = (long) settings.kvHeads() * settings.headDim();
        if (settings.kvHeads() < 1 || settings.heads() % settings.kvHeads() != 0) {
            throw new IllegalArgumentException(settings.kvHeads() + " key/value heads do not divide " + settings.heads());
        }
        Checks.floating(q);
        Checks.shape(q, q.rows(), queryCols);
        Checks.shape(k, k.rows(), keyCols);
        Checks.shape(v, k.rows(), keyCols);
        Checks.shape(out, q.rows(), queryCols);
        Checks.vector(logSumExp, DType.F32, settings.heads() * q.rows());
        Checks.vector(sequences.deviceQueryStarts(), DType.I32, sequences.queryStarts().length);
        Checks.vector(sequences.deviceKeyStarts(), DType.I32, sequences.keyStarts().length);
        if (dOut != null) {
            Checks.shape(dOut, q.rows(), queryCols);
            Checks.shape(dq, q.rows(), queryCols);
            Checks.shape(dk, k.rows(), keyCols);
            Checks.shape(dv, k.rows(), keyCols);
        }
        for (Tensor other : new Tensor[] {k, v, out, dOut, dq, dk, dv}) {
            if (other != null && other.dtype() != q.dtype()) {
                throw new IllegalArgumentException(
                        "attention's tensors are of one type, not " + q.dtype() + " and " + other.dtype());
            }
        }
    }

    int count() {
        return sequences.queryStarts().length - 1;
    }

    int queries() {
        return Math.toIntExact(q.rows());
    }

    /** Tiles of {@code height} queries, each sequence beginning a new one. */
    long queryTiles(int height) {
        return tiles(sequences.queryStarts(), height);
    }

    /** Tiles of {@code height} keys. */
    long keyTiles(int height) {
        return tiles(sequences.keyStarts(), height);
    }

    private static long tiles(int[] starts, int height) {
        long tiles = 0;
        for (int i = 1; i < starts.length; i++) {
            tiles += (starts[i] - starts[i - 1] + height - 1L) / height;
        }
        return tiles;
    }
}
