// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/**
 * The few numbers of a step that the host looks at. They are added up on the device and read once, together, when all
 * micro-batches are issued: a step waits for the device nowhere else.
 *
 * @param all F64 [adapters, 3]
 */
record StepSums(Tensor all) {

    private static final int COUNT = 3;
    private static final int PAIR = 2; // the place of the two F32

    /** What the device made of one adapter's step. */
    record Values(double loss, float gradNorm) {

        boolean finite() {
            return Double.isFinite(loss) && Float.isFinite(gradNorm);
        }
    }

    /**
     * The sums of one adapter.
     *
     * @param own F64 [3]: the losses' sum, the sum of squares, and two F32, the norm and the factor on the gradients
     */
    record Sums(Tensor own) {

        /** F64 [1]: the sum of losses, in nats. */
        Tensor loss() {
            return own.colRange(0, 1);
        }

        /** F64 [1] */
        Tensor sumOfSquares() {
            return own.colRange(1, PAIR);
        }

        /** F32 [2], as {@link io.sparkqlora.kernels.GradientClip#clip} writes them. */
        Tensor normAndScale() {
            return new Tensor(own.memory(), own.byteOffset() + (long) PAIR * Double.BYTES, DType.F32, 1, 2, 2);
        }
    }

    /** Those of so many adapters. */
    static StepSums take(Arena arena, int adapters) {
        return new StepSums(arena.take(DType.F64, adapters, COUNT));
    }

    /** Those of one adapter. */
    Sums of(int adapter) {
        return new Sums(all.rowRange(adapter, adapter + 1L));
    }

    /** Sets all to zero. */
    void clear(Device device) {
        device.ops().elementwise().zero(all);
    }

    /** Waits for the device. */
    List<Values> read(Device device) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(all.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(all, bytes);
        List<Values> values = new ArrayList<>();
        for (int at = 0; at < bytes.capacity(); at += COUNT * Double.BYTES) {
            values.add(new Values(bytes.getDouble(at), bytes.getFloat(at + PAIR * Double.BYTES)));
        }
        return values;
    }
}
