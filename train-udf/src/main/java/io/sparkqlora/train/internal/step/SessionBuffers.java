// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.model.BaseAllocation;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.RopeTables;

/**
 * What a session holds between steps.
 *
 * @param model the base
 * @param rope tables for every position that a micro-batch can have
 * @param buffers the adapter and its optimizer
 * @param adapter views of the adapter by place
 */
public record SessionBuffers(BaseModel model, RopeTables rope, AdapterBuffers buffers, ModelAdapter adapter) {

    /** Arenas by the part of a memory plan that they are. */
    public record Arenas(Arena baseWeights, Arena embeddings, Arena adapter, Arena gradients, Arena optimizerState) {}

    /** Takes everything, contents undefined. */
    public static SessionBuffers take(SessionSpec spec, Arenas arenas) {
        BaseModel model = new BaseAllocation(
                        spec.model(), spec.quantization(), spec.adapter(), arenas.baseWeights(), arenas.embeddings())
                .take(spec.layout());
        RopeTables rope = RopeTables.take(spec.model(), spec.maxTokens(), arenas.embeddings());
        AdapterBuffers buffers = AdapterBuffers.take(
                spec.adapter(), spec.compute(), arenas.adapter(), arenas.gradients(), arenas.optimizerState());
        return new SessionBuffers(
                model,
                rope,
                buffers,
                ModelAdapter.of(spec.layout(), buffers, spec.lora().scaling()));
    }
}
