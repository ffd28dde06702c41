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
 * @param sumOfSquares F64 [1]
 * @param normAndScale F32 [2]
 */
record OptimizerStep(Tensor sumOfSquares, Tensor normAndScale) {

    static OptimizerStep take(Arena arena) {
        return new OptimizerStep(arena.take(DType.F64, 1, 1), arena.take(DType.F32, 1, 2));
    }

    /** The norm of all gradients, before clipping. */
    float gradNorm(Device device, AdapterBuffers adapter, double maxGradNorm) {
        device.ops().gradientClip().sumOfSquares(adapter.gradients(), sumOfSquares);
        device.ops().gradientClip().clip(sumOfSquares, (float) maxGradNorm, normAndScale);
        ByteBuffer out = ByteBuffer.allocateDirect(2 * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(normAndScale, out);
        return out.getFloat();
    }

    /** Updates the adapter. */
    void update(Device device, AdapterBuffers adapter, TrainingArguments args, double learningRate, long step) {
        AdamW.Settings settings = new AdamW.Settings(
                learningRate, args.adamBeta1(), args.adamBeta2(), args.adamEpsilon(), args.weightDecay(), step);
        device.ops()
                .adamW()
                .update(
                        adapter.parameters(),
                        adapter.gradients(),
                        adapter.expAvg(),
                        adapter.expAvgSq(),
                        normAndScale,
                        settings);
        adapter.refreshShadow(device);
    }
}
