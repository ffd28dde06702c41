// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.Attention.Sequences;
import io.sparkqlora.kernels.Attention.Settings;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;

/** What attention demands of its operands, on every backend. */
public final class AttentionChecks {

    private AttentionChecks() {}

    /** Throws unless heads, types, rows and sequences fit each other. */
    public static void check(Tensor q, Tensor k, Tensor v, Sequences sequences, Settings settings) {
        Checks.floating(q);
        checkOperands(q, k, v, settings);
        checkSequences(sequences, q.rows(), k.rows());
    }

    private static void checkOperands(Tensor q, Tensor k, Tensor v, Settings settings) {
        long keyCols = (long) settings.kvHeads() * settings.headDim();
        boolean fit = settings.heads() % settings.kvHeads() == 0
                && q.cols() == (long) settings.heads() * settings.headDim()
                && k.cols() == keyCols
                && v.cols() == keyCols
                && v.rows() == k.rows()
                && k.dtype() == q.dtype()
                && v.dtype() == q.dtype();
        if (!fit) {
            throw new IllegalArgumentException("attention of q [" + q.rows() + ", " + q.cols() + "] " + q.dtype()
                    + ", k [" + k.rows() + ", " + k.cols() + "] " + k.dtype() + ", v [" + v.rows() + ", " + v.cols()
                    + "] " + v.dtype() + " with " + settings);
        }
    }

    /** A sequence has at least as many keys as queries. */
    private static void checkSequences(Sequences sequences, long queryRows, long keyRows) {
        int[] queries = sequences.queryStarts();
        int[] keys = sequences.keyStarts();
        boolean fit = queries.length == keys.length
                && queries.length > 0
                && queries[0] >= 0
                && keys[0] >= 0
                && queries[queries.length - 1] <= queryRows
                && keys[keys.length - 1] <= keyRows;
        for (int s = 0; fit && s + 1 < queries.length; s++) {
            int n = queries[s + 1] - queries[s];
            fit = n >= 0 && keys[s + 1] - keys[s] >= n;
        }
        if (!fit) {
            throw new IllegalArgumentException("query starts " + Arrays.toString(queries) + " and key starts "
                    + Arrays.toString(keys) + " don't fit " + queryRows + " and " + keyRows + " rows");
        }
    }
}
