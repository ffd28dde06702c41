// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.AdamW;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.AdapterBuffers;

/**
 * The end of a step: gradient norm, clipping, AdamW. The norm is known before anything changes.
 *
 * @param sums where the norm goes
 */
record OptimizerStep(StepSums sums) {

    /** Issues the norm of all gradients, before clipping, and the factor that clips them. */
    void clip(Device device, AdapterBuffers adapter, double maxGradNorm) {
        device.ops().gradientClip().sumOfSquares(adapter.gradients(), sums.sumOfSquares());
        device.ops().gradientClip().clip(sums.sumOfSquares(), (float) maxGradNorm, sums.normAndScale());
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
                        sums.normAndScale(),
                        settings);
        adapter.refreshShadow(device);
    }
}
