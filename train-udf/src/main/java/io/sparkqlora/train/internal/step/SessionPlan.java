// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Memory.Kind;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.GroupSpec;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseLoader;
import io.sparkqlora.train.internal.model.BatchPart;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.Recordings;
import java.util.List;

/**
 * How many bytes a session needs, found by running the real step on a device that only counts.
 *
 * @param baseWeights decoder layers, quantised or not; of a sharded base this rank's part
 * @param gatheredLayers room for layers of a sharded base while they are whole
 * @param embeddings token embedding, output projection, rotary tables
 * @param hostEmbedding the token embedding, where it is kept in the host's memory
 * @param adapter masters and their rounded copies, of all slots
 * @param gradients likewise
 * @param optimizerState both moments
 * @param hostOptimizerState the same, where they are kept in the host's memory
 * @param step the buffers of a step: activations, scratch, a chunk of logits
 * @param workspace what the device's operations keep for themselves
 * @param loading the staging buffer and what taking weights apart needs, which is gone before the step's buffers come
 */
public record SessionPlan(
        long baseWeights,
        long gatheredLayers,
        long embeddings,
        long hostEmbedding,
        long adapter,
        long gradients,
        long optimizerState,
        long hostOptimizerState,
        long step,
        long workspace,
        long loading) {

    /** Counts. */
    public static SessionPlan of(SessionSpec spec) {
        SessionBuffers.Arenas arenas = arenas(new PlanningDevice(spec.device()));
        SessionBuffers buffers = SessionBuffers.take(spec, arenas);
        return new SessionPlan(
                arenas.baseWeights().peakBytes(),
                arenas.gatheredLayers().peakBytes(),
                arenas.embeddings().peakBytes(),
                hostBytes(arenas.hostEmbedding()),
                arenas.adapter().peakBytes(),
                arenas.gradients().peakBytes(),
                arenas.optimizerState().peakBytes(),
                hostBytes(arenas.hostOptimizerState()),
                stepBytes(spec, HostBatch.largest(spec.maxTokens())),
                workspaceBytes(spec),
                BaseLoader.loadingBytes(buffers.model(), spec.decomposed()));
    }

    /** Bytes that the layers' weights take, gathered ones included. */
    public static long layerBytes(SessionSpec spec) {
        SessionBuffers.Arenas arenas = arenas(new PlanningDevice(spec.device()));
        SessionBuffers.take(spec, arenas);
        return arenas.baseWeights().peakBytes() + arenas.gatheredLayers().peakBytes();
    }

    private static long workspaceBytes(SessionSpec spec) {
        Attention.Settings attention = ModelForward.attentionSettings(spec.model(), 0);
        // the output projection takes a few rows at a time
        int outputs = spec.layout().groups().stream()
                .filter(GroupSpec::quantizable)
                .mapToInt(GroupSpec::outFeatures)
                .max()
                .orElse(0);
        return spec.adapter().ranks().stream()
                .mapToLong(rank ->
                        spec.device().workspaceBytes(attention, spec.compute(), spec.maxTokens(), outputs, rank))
                .max()
                .orElse(0);
    }

    private static SessionBuffers.Arenas arenas(PlanningDevice planning) {
        Arena embeddings = planning.unboundedArena();
        Arena optimizerState = planning.unboundedArena();
        boolean apart = planning.traits().ownsMemory();
        return new SessionBuffers.Arenas(
                planning.unboundedArena(),
                planning.unboundedArena(),
                embeddings,
                apart ? planning.unboundedHostArena() : embeddings,
                planning.unboundedArena(),
                planning.unboundedArena(),
                optimizerState,
                apart ? planning.unboundedHostArena() : optimizerState);
    }

    private static long hostBytes(Arena arena) {
        return arena.kind() == Kind.HOST ? arena.peakBytes() : 0;
    }

    /** Bytes of the buffers of a step and an evaluation over {@code largest}. */
    public static long stepBytes(SessionSpec spec, HostBatch largest) {
        PlanningDevice planning = new PlanningDevice(spec.device());
        SessionBuffers buffers = SessionBuffers.take(spec, arenas(planning));
        Arena arena = planning.unboundedArena();
        AdapterSlot slot = buffers.slot();
        StepSums.Sums sums = StepSums.take(arena, spec.slots(), spec.losses()).of(0);
        Tensor lossSum = sums.loss();
        Pass pass = new Pass(planning, arena, spec.compute());
        float p = (float) spec.lora().loraDropout();
        // noise on embeddings takes a few bytes a token; a group may have it even if the job has not
        DropoutMasks.Draw draw = new DropoutMasks.Draw(p, 1f, 0, 0, 0);
        Recordings none = new Recordings(planning);
        // rows of one adapter need the most: those of several are multiplied without room for low-rank columns
        new MicroBatch(pass, buffers.model(), buffers.rope(), spec.recompute(), none)
                .run(List.of(new BatchPart(largest, slot.views(), draw, 0f, 1f, spec.preference(), lossSum)));
        MicroBatch.evaluate(new ModelForward(pass, buffers.model(), slot.views(), buffers.rope()), largest, lossSum);
        MicroBatch.evaluate(new ModelForward(pass, buffers.model(), null, buffers.rope()), largest, lossSum);
        if (spec.preference() != null) {
            ModelForward forward = new ModelForward(pass, buffers.model(), slot.views(), buffers.rope());
            MicroBatch.evaluatePairs(forward, largest, spec.preference(), lossSum);
        }
        if (spec.device().ownsMemory()) {
            long mark = arena.mark();
            GradientExchange.scratch(arena, slot.buffers().gradients().size());
            arena.release(mark);
        }
        OptimizerStep.take(arena, sums, slot.moments(), planning.pageQueue(0));
        slot.buffers().measure(pass, buffers.model().groups(), true);
        return arena.peakBytes();
    }

    /** The most bytes at once: the checkpoint is read when all but the step's buffers is there. */
    public long total() {
        long held = baseWeights + gatheredLayers + embeddings + adapter + gradients + optimizerState + workspace;
        return held + Math.max(loading, step);
    }

    /** The most bytes at once in the host's memory. */
    public long hostTotal() {
        return hostEmbedding + hostOptimizerState;
    }
}
