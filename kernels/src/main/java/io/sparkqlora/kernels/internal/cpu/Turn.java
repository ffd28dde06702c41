// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;

/**
 * The shape of one transposition of BF16: source [rows, cols], target [cols, rows].
 *
 * @param source elements from row to row of the source
 * @param target the same of the target; {@link Product#PAIRS} for the order of {@link Product#inPairs}
 */
record Turn(long rows, long cols, long source, long target) implements Shape {

    static final DType DTYPE = DType.BF16;

    @Override
    public OneDnnCall code() {
        return OneDnnTurn.of(this);
    }

    boolean toPairs() {
        return target == Product.PAIRS;
    }
}
