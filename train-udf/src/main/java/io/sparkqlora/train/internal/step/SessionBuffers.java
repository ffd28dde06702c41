// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.model.BaseAllocation;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.RopeTables;
import io.sparkqlora.train.internal.optim.Moments;

/**
 * What a session holds between steps.
 *
 * @param model the base
 * @param rope tables for every position that a micro-batch can have
 * @param buffers the adapter and its gradients
 * @param moments the optimizer's
 * @param adapter views of the adapter by place
 */
public record SessionBuffers(
        BaseModel model, RopeTables rope, AdapterBuffers buffers, Moments moments, ModelAdapter adapter) {

    /**
     * Arenas by the part of a memory plan that they are.
     *
     * @param gatheredLayers for layers of a sharded base while they are whole
     * @param hostEmbedding in the host's memory, for a token embedding that is kept there
     * @param hostOptimizerState in the host's memory, for moments that are kept there
     */
    public record Arenas(
            Arena baseWeights,
            Arena gatheredLayers,
            Arena embeddings,
            Arena hostEmbedding,
            Arena adapter,
            Arena gradients,
            Arena optimizerState,
            Arena hostOptimizerState) {}

    /** Takes everything, contents undefined. */
    public static SessionBuffers take(SessionSpec spec, Arenas arenas) {
        Arena table = spec.quantization().offloadEmbedding() ? arenas.hostEmbedding() : arenas.embeddings();
        BaseAllocation base = new BaseAllocation(
                spec.model(), spec.quantization(), spec.adapter(), arenas.baseWeights(), arenas.embeddings(), table);
        BaseModel model = spec.shards() == 1
                ? base.take(spec.layout())
                : base.takeShard(spec.layout(), spec.shards(), arenas.gatheredLayers());
        RopeTables rope = RopeTables.take(spec.model(), spec.maxTokens(), arenas.embeddings());
        AdapterBuffers buffers =
                AdapterBuffers.take(spec.adapter(), spec.compute(), arenas.adapter(), arenas.gradients());
        Arena home = spec.optim().paged() ? arenas.hostOptimizerState() : arenas.optimizerState();
        return new SessionBuffers(
                model,
                rope,
                buffers,
                Moments.take(spec.optim(), spec.adapter(), arenas.optimizerState(), home),
                ModelAdapter.of(spec.layout(), buffers, spec.lora().scaling()));
    }
}
