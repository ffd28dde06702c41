// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
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

    void quantize(Operations ops, Tensor source) {
        if (in4bit != null) {
            ops.quantization().quantize(source, in4bit);
        } else {
            ops.vectorwiseInt8().quantize(source, in8bit.codes(), in8bit.absmax());
        }
    }

    void dequantize(Operations ops, Tensor out) {
        if (in4bit != null) {
            ops.quantization().dequantize(in4bit, out);
        } else {
            ops.vectorwiseInt8().dequantize(in8bit.codes(), in8bit.absmax(), out);
        }
    }
}
