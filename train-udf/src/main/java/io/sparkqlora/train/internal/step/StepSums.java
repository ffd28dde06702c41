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
 * @param all F64 [adapters, losses + 2]
 */
record StepSums(Tensor all) {

    /** Numbers beside the losses': a sum of squares, and two F32. */
    private static final int OTHERS = 2;

    /**
     * What the device made of one adapter's step.
     *
     * @param losses one number, or of pairs what {@link io.sparkqlora.kernels.PreferenceLoss} lists
     */
    record Values(List<Double> losses, float gradNorm) {

        double loss() {
            return losses.get(0);
        }

        boolean finite() {
            return Double.isFinite(loss()) && Float.isFinite(gradNorm);
        }
    }

    /**
     * The sums of one adapter.
     *
     * @param own F64 [losses + 2]: the losses' sums, the sum of squares, and two F32, the norm and the factor on the gradients
     */
    record Sums(Tensor own) {

        /** F64 [losses]: the sum of losses, in nats, before what else is added up of pairs. */
        Tensor loss() {
            return own.colRange(0, losses());
        }

        /** F64 [1] */
        Tensor sumOfSquares() {
            return own.colRange(losses(), losses() + 1);
        }

        /** F32 [2], as {@link io.sparkqlora.kernels.GradientClip#clip} writes them. */
        Tensor normAndScale() {
            return new Tensor(own.memory(), own.byteOffset() + (losses() + 1) * Double.BYTES, DType.F32, 1, 2, 2);
        }

        private long losses() {
            return own.cols() - OTHERS;
        }
    }

    /** Those of so many adapters, with one sum of losses each. */
    static StepSums take(Arena arena, int adapters) {
        return take(arena, adapters, 1);
    }

    /** @param losses sums that each adapter has */
    static StepSums take(Arena arena, int adapters, int losses) {
        return new StepSums(arena.take(DType.F64, adapters, losses + OTHERS));
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
        int losses = (int) all.cols() - OTHERS;
        for (int at = 0; at < bytes.capacity(); at += (losses + OTHERS) * Double.BYTES) {
            List<Double> own = new ArrayList<>();
            for (int i = 0; i < losses; i++) {
                own.add(bytes.getDouble(at + i * Double.BYTES));
            }
            values.add(new Values(own, bytes.getFloat(at + (losses + 1) * Double.BYTES)));
        }
        return values;
    }
}
