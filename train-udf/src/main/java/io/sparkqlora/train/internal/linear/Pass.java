// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Operations;
import io.sparkqlora.kernels.Tensor;

/**
 * What a run through the model works with. On a planning device with a counting arena the same run finds out how much
 * memory it needs.
 *
 * @param device whose operations are issued
 * @param arena where buffers are taken from
 * @param dtype type of activations and their gradients
 */
public record Pass(Device device, Arena arena, DType dtype) {

    /** Rows start on cache-line boundaries, a GPU's being the longer: products lose up to a tenth where they don't. */
    private static final long ROW_ALIGNMENT_BYTES = 128;

    /** The device's operations. */
    public Operations ops() {
        return device.ops();
    }

    /** A matrix of activations on top of the arena, its contents undefined. */
    public Tensor matrix(long rows, long cols) {
        return matrix(arena, dtype, rows, cols);
    }

    /** An F32 vector on top of the arena. */
    public Tensor vector(long n) {
        return arena.take(DType.F32, 1, n);
    }

    /** A matrix with aligned rows from any arena. */
    public static Tensor matrix(Arena arena, DType dtype, long rows, long cols) {
        long step = ROW_ALIGNMENT_BYTES / dtype.bytes();
        long stride = (cols + step - 1) / step * step;
        return arena.take(dtype, rows, stride).colRange(0, cols);
    }
}
