// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.Attention.Sequences;
import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.AttentionChecks;
import io.sparkqlora.kernels.internal.Checks;

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
        AttentionChecks.check(q, k, v, sequences, settings);
        long queryCols = (long) settings.heads() * settings.headDim();
        same(out, q.dtype(), q.rows(), queryCols);
        Checks.vector(logSumExp, DType.F32, settings.heads() * q.rows());
        int starts = sequences.queryStarts().length;
        Checks.vector(sequences.deviceQueryStarts(), DType.I32, starts);
        Checks.vector(sequences.deviceKeyStarts(), DType.I32, starts);
        if (dOut != null) {
            same(dOut, q.dtype(), q.rows(), queryCols);
            same(dq, q.dtype(), q.rows(), queryCols);
            same(dk, q.dtype(), k.rows(), k.cols());
            same(dv, q.dtype(), k.rows(), k.cols());
        }
    }

    private static void same(Tensor tensor, DType dtype, long rows, long cols) {
        Checks.shape(tensor, rows, cols);
        if (tensor.dtype() != dtype) {
            throw new IllegalArgumentException(
                    "attention's tensors are of one type, not " + dtype + " and " + tensor.dtype());
        }
    }

    /** Pairs of a query head's row and a key that it sees, over all heads. */
    double pairs() {
        double pairs = 0;
        for (int s = 0; s < count(); s++) {
            double n = sequences.queryStarts()[s + 1] - sequences.queryStarts()[s];
            double m = sequences.keyStarts()[s + 1] - sequences.keyStarts()[s];
            double all = n * (m - n) + n * (n + 1) / 2;
            double hidden = settings.window() == 0 ? 0 : Math.max(0, m - settings.window());
            double first = Math.max(0, hidden - n); // what the first row doesn't see for the window
            pairs += all - (hidden * (hidden + 1) - first * (first + 1)) / 2;
        }
        return pairs * settings.heads();
    }

    /** Operations of {@code products} of q, k, v or their gradients along the heads' elements: 2 forward, 5 backward. */
    double flops(int products) {
        return 2.0 * products * pairs() * settings.headDim();
    }

    /** Bytes of what forward reads and writes. */
    double forwardBytes() {
        return (double) q.bytes() + k.bytes() + v.bytes() + out.bytes();
    }

    /** Bytes of what backward reads and writes. */
    double backwardBytes() {
        return forwardBytes() + dOut.bytes() + dq.bytes() + dk.bytes() + dv.bytes();
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
