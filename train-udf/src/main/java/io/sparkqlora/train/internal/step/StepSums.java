// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The few numbers of a step that the host looks at. They are added up on the device and read once, together, when all
 * micro-batches are issued: a step waits for the device nowhere else.
 *
 * @param all F64 [3]: the losses' sum, the sum of squares, and two F32, the norm and the factor on the gradients
 */
record StepSums(Tensor all) {

    private static final int COUNT = 3;
    private static final int PAIR = 2; // the place of the two F32

    /** What the device made of a step. */
    record Values(double loss, float gradNorm) {}

    static StepSums take(Arena arena) {
        return new StepSums(arena.take(DType.F64, 1, COUNT));
    }

    /** F64 [1]: the sum of losses, in nats. */
    Tensor loss() {
        return all.colRange(0, 1);
    }

    /** F64 [1] */
    Tensor sumOfSquares() {
        return all.colRange(1, PAIR);
    }

    /** F32 [2], as {@link io.sparkqlora.kernels.GradientClip#clip} writes them. */
    Tensor normAndScale() {
        return new Tensor(all.memory(), all.byteOffset() + (long) PAIR * Double.BYTES, DType.F32, 1, 2, 2);
    }

    /** Sets all to zero. */
    void clear(Device device) {
        device.ops().elementwise().zero(all);
    }

    /** Waits for the device. */
    Values read(Device device) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(COUNT * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(all, bytes);
        return new Values(bytes.getDouble(0), bytes.getFloat(PAIR * Double.BYTES));
    }
}
