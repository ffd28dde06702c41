// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.decompose.WeightStore;
import io.sparkqlora.train.internal.model.BaseAllocation;

/**
 * A quantised weight on the device, in one of two forms.
 *
 * @param in4bit null in 8 bits
 * @param in8bit null in 4 bits
 */
record HeldWeight(QuantizedMatrix in4bit, Int8Matrix in8bit) {

    /**
     * Takes its tensors, their contents undefined.
     *
     * @param format null for 8 bits
     */
    static HeldWeight take(QuantFormat format, long rows, long cols, Arena arena) {
        return format == null
                ? new HeldWeight(null, BaseAllocation.int8(rows, cols, arena))
                : new HeldWeight(BaseAllocation.matrix(format, rows, cols, arena), null);
    }

    /** How it is filled and read. */
    WeightStore in(Operations ops) {
        return in4bit != null ? WeightStore.of(ops, in4bit) : WeightStore.of(ops, in8bit);
    }

    void quantize(Operations ops, Tensor source) {
        in(ops).store(source);
    }

    void dequantize(Operations ops, Tensor out) {
        in(ops).restore(out);
    }
}
