// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.train.internal.model.BaseAllocation;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.RopeTables;
import java.util.ArrayList;
import java.util.List;

/**
 * What a session holds between steps.
 *
 * @param model the base
 * @param rope tables for every position that a micro-batch can have
 * @param slots its adapters
 */
public record SessionBuffers(BaseModel model, RopeTables rope, List<AdapterSlot> slots) {

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

    public SessionBuffers {
        slots = List.copyOf(slots);
    }

    /** The adapter of a session that has one. */
    public AdapterSlot slot() {
        return slots.get(0);
    }

    /** Takes everything, contents undefined. */
    public static SessionBuffers take(SessionSpec spec, Arenas arenas) {
        Arena table = spec.quantization().offloadEmbedding() ? arenas.hostEmbedding() : arenas.embeddings();
        BaseAllocation base = new BaseAllocation(
                spec.model(), spec.quantization(), spec.adapter(), arenas.baseWeights(), arenas.embeddings(), table);
        BaseModel model = spec.shards() == 1
                ? base.take(spec.layout())
                : base.takeShard(spec.layout(), spec.shards(), arenas.gatheredLayers());
        RopeTables rope = RopeTables.take(spec.model(), spec.maxTokens(), arenas.embeddings());
        List<AdapterSlot> slots = new ArrayList<>();
        for (int i = 0; i < spec.slots(); i++) {
            slots.add(AdapterSlot.take(spec, arenas));
        }
        return new SessionBuffers(model, rope, slots);
    }
}
