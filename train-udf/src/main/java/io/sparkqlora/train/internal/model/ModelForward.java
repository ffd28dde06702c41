// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.LayerActivations.Shapes;

/**
 * The model forward without anything kept for backward: evaluation and generation.
 *
 * @param model the base
 * @param adapter or null for the base alone
 * @param rope tables that reach every position
 */
public record ModelForward(Pass pass, BaseModel model, ModelAdapter adapter, RopeTables rope) {

    /** The attention of a model of this shape. */
    public static Attention.Settings attentionSettings(ModelConfig c) {
        float scale = (float) (1 / Math.sqrt(c.headDim()));
        return new Attention.Settings(c.numAttentionHeads(), c.numKeyValueHeads(), c.headDim(), scale, 0, 0f);
    }

    /** The residual stream after the last layer, before the final norm: [tokens, hidden] on top of the arena. */
    public Tensor hidden(Batch batch) {
        Attention attention = pass.ops().attention();
        Attention.Settings settings = attentionSettings(model.config());
        return hidden(
                batch.inputIds(),
                batch.positions(),
                (layer, q, k, v, out, logSumExp) ->
                        attention.forward(q, k, v, batch.sequences(), settings, out, logSumExp));
    }

    /**
     * As {@link #hidden(Batch)} with another attention, such as one over a cache.
     *
     * @param inputIds I32 vector
     * @param positions I32 vector, of each token in its sequence
     */
    public Tensor hidden(Tensor inputIds, Tensor positions, AttentionCall attention) {
        long tokens = inputIds.cols();
        Tensor hidden = embed(pass, model, inputIds);
        long mark = pass.arena().mark();
        RowAdapters adapters = RowAdapters.all(adapter, tokens);
        LayerActivations buffers = LayerActivations.passing(pass, model.config(), widest(model, adapters, tokens));
        LayerForward forward = new LayerForward(pass, model.config(), rope, positions, attention);
        for (DecoderLayer layer : model.layers()) {
            RowAdapters.Layer lora = adapters.layer(layer.index());
            LayerActivations a = buffers.cut(model.config(), Shapes.of(tokens, lora));
            forward.run(layer, lora, hidden, a, hidden);
        }
        pass.arena().release(mark);
        return hidden;
    }

    /**
     * Logits of chosen rows, [rows, vocabulary] in the type of the pass, on top of the arena.
     *
     * @param hidden what {@link #hidden} returned
     * @param rows I32 vector, distinct
     */
    public Tensor logits(Tensor hidden, Tensor rows) {
        Tensor logits =
                pass.arena().take(pass.dtype(), rows.cols(), model.config().vocabSize());
        long mark = pass.arena().mark();
        new OutputHead(pass, model)
                .logits(hidden, rows, RowAdapters.all(adapter, rows.cols()).lmHead(), logits);
        pass.arena().release(mark);
        return logits;
    }

    /** Token embeddings [tokens, hidden] on top of the arena. */
    static Tensor embed(Pass pass, BaseModel model, Tensor inputIds) {
        Tensor out =
                pass.arena().take(pass.dtype(), inputIds.cols(), model.config().hiddenSize());
        pass.ops().rowSelect().gather(model.embedding(), inputIds, 1f, out);
        return out;
    }

    /**
     * The widest buffers that any layer needs. All layers have theirs in this width, so that products see the same strides,
     * and round the same way, whichever buffers are shared.
     */
    static Shapes widest(BaseModel model, RowAdapters adapters, long tokens) {
        Shapes widest = new Shapes(tokens, 0, 0, 0, 0);
        for (DecoderLayer layer : model.layers()) {
            widest = widest.max(Shapes.of(tokens, adapters.layer(layer.index())));
        }
        return widest;
    }
}
