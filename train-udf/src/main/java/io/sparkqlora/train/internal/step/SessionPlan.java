// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseLoader;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;

/**
 * How many bytes a session needs, found by running the real step on a device that only counts.
 *
 * @param baseWeights decoder layers, quantised or not
 * @param embeddings token embedding, output projection, rotary tables
 * @param adapter masters and their rounded copies
 * @param gradients of the adapter
 * @param optimizerState both moments
 * @param step the buffers of a step: activations, scratch, a chunk of logits
 * @param loading the staging buffer, which is gone before the step's buffers come
 */
public record SessionPlan(
        long baseWeights, long embeddings, long adapter, long gradients, long optimizerState, long step, long loading) {

    /** Counts. */
    public static SessionPlan of(SessionSpec spec) {
        PlanningDevice planning = new PlanningDevice();
        SessionBuffers.Arenas arenas = new SessionBuffers.Arenas(
                planning.unboundedArena(),
                planning.unboundedArena(),
                planning.unboundedArena(),
                planning.unboundedArena(),
                planning.unboundedArena());
        SessionBuffers buffers = SessionBuffers.take(spec, arenas);
        return new SessionPlan(
                arenas.baseWeights().peakBytes(),
                arenas.embeddings().peakBytes(),
                arenas.adapter().peakBytes(),
                arenas.gradients().peakBytes(),
                arenas.optimizerState().peakBytes(),
                stepBytes(spec, HostBatch.largest(spec.maxTokens())),
                BaseLoader.stagingBytes(buffers.model()));
    }

    /** Bytes of the buffers of a step and an evaluation over {@code largest}. */
    public static long stepBytes(SessionSpec spec, HostBatch largest) {
        PlanningDevice planning = new PlanningDevice();
        Arena held = planning.unboundedArena();
        SessionBuffers buffers = SessionBuffers.take(spec, new SessionBuffers.Arenas(held, held, held, held, held));
        Arena arena = planning.unboundedArena();
        StepSums sums = StepSums.take(arena);
        Tensor lossSum = sums.loss();
        Pass pass = new Pass(planning, arena, spec.compute());
        float p = (float) spec.lora().loraDropout();
        DropoutMasks masks = p > 0 ? new DropoutMasks(p, 0, 0, 0) : null;
        new MicroBatch(pass, buffers.model(), buffers.adapter(), buffers.rope(), spec.recompute())
                .run(largest, masks, 1f, lossSum);
        MicroBatch.evaluate(
                new ModelForward(pass, buffers.model(), buffers.adapter(), buffers.rope()), largest, lossSum);
        MicroBatch.evaluate(new ModelForward(pass, buffers.model(), null, buffers.rope()), largest, lossSum);
        OptimizerStep.take(arena, sums);
        return arena.peakBytes();
    }

    /** The most bytes at once: the checkpoint is read when all but the step's buffers is there. */
    public long total() {
        return baseWeights + embeddings + adapter + gradients + optimizerState + Math.max(loading, step);
    }
}
