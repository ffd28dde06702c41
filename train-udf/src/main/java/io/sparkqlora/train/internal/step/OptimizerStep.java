// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The end of a step: gradient norm, clipping, AdamW. The norm is known before anything changes.
 *
 * @param sums where the norm goes
 * @param factors the update's scalars, F32 [{@link AdamW#FACTORS}]
 */
record OptimizerStep(StepSums sums, Tensor factors) {

    static OptimizerStep take(Arena arena, StepSums sums) {
        return new OptimizerStep(sums, arena.take(DType.F32, 1, AdamW.FACTORS));
    }

    /** Issues the norm of all gradients, before clipping, and the factor that clips them. */
    void clip(Device device, AdapterBuffers adapter, double maxGradNorm) {
        device.ops().gradientClip().sumOfSquares(adapter.gradients(), sums.sumOfSquares());
        device.ops().gradientClip().clip(sums.sumOfSquares(), (float) maxGradNorm, sums.normAndScale());
    }

    /** Updates the adapter. */
    void update(Device device, AdapterBuffers adapter, TrainingArguments args, double learningRate, long step) {
        AdamW.Settings settings = new AdamW.Settings(
                learningRate, args.adamBeta1(), args.adamBeta2(), args.adamEpsilon(), args.weightDecay(), step);
        copyIn(device, settings.factors());
        device.ops()
                .adamW()
                .update(
                        adapter.parameters(),
                        adapter.gradients(),
                        adapter.expAvg(),
                        adapter.expAvgSq(),
                        sums.normAndScale(),
                        factors);
        adapter.refreshShadow(device);
    }

    private void copyIn(Device device, float[] values) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        device.copyIn(bytes, factors);
    }
}
