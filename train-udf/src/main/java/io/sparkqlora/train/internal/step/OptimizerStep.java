// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.optim.MomentUpdate;
import io.sparkqlora.train.internal.optim.Moments;
import io.sparkqlora.train.internal.optim.UpdateFactors;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The end of a step: gradient norm, clipping, the update. The norm is known before anything changes.
 *
 * @param sums where the norm goes
 * @param factors the update's scalars, F32 [groups of parameters, {@link UpdateFactors#MOST}]
 * @param update of the adapter and its moments
 */
record OptimizerStep(StepSums.Sums sums, Tensor factors, MomentUpdate update) {

    /** @param queue for moments that are kept in the host's memory; null if none is needed */
    static OptimizerStep take(Arena arena, StepSums.Sums sums, Moments moments, PageQueue queue) {
        Tensor factors = arena.take(DType.F32, moments.groups(), UpdateFactors.MOST);
        return new OptimizerStep(sums, factors, MomentUpdate.take(moments, queue, arena));
    }

    /** Issues the norm of all gradients, before clipping, and the factor that clips them. */
    static void norm(Device device, AdapterBuffers adapter, double maxGradNorm, StepSums.Sums sums) {
        device.ops().gradientClip().sumOfSquares(adapter.gradients(), sums.sumOfSquares());
        device.ops().gradientClip().clip(sums.sumOfSquares(), (float) maxGradNorm, sums.normAndScale());
    }

    /** Has the first moments come, while the device may still be busy with the step. */
    void prefetch() {
        update.prefetch();
    }

    /** Leaves everything as it is. */
    void abandon() {
        update.abandon();
    }

    /** Updates the adapter; after {@link #prefetch}. */
    void update(Device device, AdapterBuffers adapter, TrainingArguments args, double learningRate, long step) {
        float[][] rows = new float[Math.toIntExact(factors.rows())][];
        for (int group = 0; group < rows.length; group++) {
            rows[group] = Moments.factors(group, args, learningRate, step);
        }
        copyIn(device, rows);
        update.run(device, adapter, sums.normAndScale(), factors);
        adapter.refreshShadow(device);
    }

    private void copyIn(Device device, float[][] rows) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(factors.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < rows.length; i++) {
            bytes.asFloatBuffer().put(i * UpdateFactors.MOST, rows[i]);
        }
        device.copyIn(bytes, factors);
    }
}
