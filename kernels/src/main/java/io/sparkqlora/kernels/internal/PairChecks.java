// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;

/** What losses of pairs demand of their arguments. */
public final class PairChecks {

    private PairChecks() {}

    /** The number of pairs. */
    public static int pairs(
            Tensor policy, Tensor reference, Tensor starts, Tensor gradients, Tensor numbers, Tensor sums) {
        int pairs = Math.toIntExact(numbers.rows());
        Checks.vector(policy, DType.F32, policy.size());
        Checks.vector(reference, DType.F32, policy.size());
        Checks.vector(gradients, DType.F32, policy.size());
        Checks.vector(starts, DType.I32, 2L * pairs + 1);
        Checks.vector(numbers, DType.F64, (long) pairs * PreferenceLoss.NUMBERS);
        Checks.vector(sums, DType.F64, PreferenceLoss.NUMBERS);
        return pairs;
    }
}
