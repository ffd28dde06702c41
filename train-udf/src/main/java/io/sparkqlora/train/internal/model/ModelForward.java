// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.DecoderTraits;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.LayerActivations.Shapes;

/**
 * The model forward without anything kept for backward: evaluation and generation.
 *
 * @param model the base, and then what the adapter has in place of it
 * @param adapter or null for the base alone
 * @param rope tables that reach every position of the longest sequence
 */
public record ModelForward(Pass pass, BaseModel model, ModelAdapter adapter, RopeTables rope) {

    public ModelForward {
        model = adapter == null ? model : adapter.saved().over(model);
    }

    /** The attention of a layer of such a model. */
    public static Attention.Settings attentionSettings(ModelConfig c, int layer) {
        DecoderTraits traits = c.traits();
        return new Attention.Settings(
                c.numAttentionHeads(),
                c.numKeyValueHeads(),
                c.headDim(),
                (float) (1 / Math.sqrt(traits.queryPreAttnScalar())),
                traits.slidingWindows().get(layer),
                traits.attnLogitSoftcapping());
    }

    /** Attention of a batch's tokens alone. */
    static AttentionCall attention(Pass pass, ModelConfig config, Attention.Sequences sequences) {
        Attention attention = pass.ops().attention();
        return (layer, q, k, v, out, logSumExp) ->
                attention.forward(q, k, v, sequences, attentionSettings(config, layer), out, logSumExp);
    }

    /** The residual stream after the last layer, before the final norm: [tokens, hidden] on top of the arena. */
    public Tensor hidden(Batch batch) {
        return hidden(batch, LayerSteps.NOBODY);
    }

    /** As {@link #hidden(Batch)}, for somebody who is told what {@link LayerSteps#walkUp} tells. */
    Tensor hidden(Batch batch, LayerSteps steps) {
        AttentionCall attention = attention(pass, model.config(), batch.sequences());
        return hidden(batch.inputIds(), batch.ropeRows(), attention, steps);
    }

    /**
     * As {@link #hidden(Batch)} with another attention, such as one over a cache.
     *
     * @param inputIds I32 vector
     * @param ropeRows I32 vector, of each token in the tables
     */
    public Tensor hidden(Tensor inputIds, Tensor ropeRows, AttentionCall attention) {
        return hidden(inputIds, ropeRows, attention, LayerSteps.NOBODY);
    }

    private Tensor hidden(Tensor inputIds, Tensor ropeRows, AttentionCall attention, LayerSteps steps) {
        long tokens = inputIds.cols();
        Tensor hidden = embed(pass, model, inputIds);
        long mark = pass.arena().mark();
        RowAdapters adapters = RowAdapters.all(adapter, tokens);
        LayerActivations buffers = LayerActivations.passing(pass, model.config(), widest(model, adapters, tokens));
        LayerForward forward = new LayerForward(pass, model.config(), rope, ropeRows, attention);
        for (DecoderLayer layer : model.layers()) {
            RowAdapters.Layer lora = adapters.layer(layer.index());
            LayerActivations a = buffers.cut(model.config(), Shapes.of(tokens, lora));
            steps.before(layer.index());
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
        new OutputHead(pass, model, null)
                .logits(hidden, rows, RowAdapters.all(adapter, rows.cols()).lmHead(), logits);
        float cap = model.config().traits().finalLogitSoftcapping();
        if (cap > 0) {
            pass.ops().elementwise().softCap(logits, cap, logits);
        }
        pass.arena().release(mark);
        return logits;
    }

    /** Token embeddings [tokens, hidden] on top of the arena. */
    static Tensor embed(Pass pass, BaseModel model, Tensor inputIds) {
        Tensor out =
                pass.arena().take(pass.dtype(), inputIds.cols(), model.config().hiddenSize());
        pass.ops().rowSelect().gather(model.embedding(), inputIds, embeddingScale(model.config(), pass.dtype()), out);
        return out;
    }

    /** Rounded to the type that embeddings have, as transformers does. */
    static float embeddingScale(ModelConfig config, DType dtype) {
        if (!config.traits().scaledEmbeddings()) {
            return 1f;
        }
        float root = (float) Math.sqrt(config.hiddenSize());
        return switch (dtype) {
            case BF16 -> rounded(root, 16);
            case F16 -> rounded(root, 13);
            default -> root;
        };
    }

    /** To nearest even without the last bits of its mantissa. */
    private static float rounded(float value, int bits) {
        int raw = Float.floatToRawIntBits(value);
        int last = (raw >>> bits) & 1;
        return Float.intBitsToFloat((raw + (1 << (bits - 1)) - 1 + last) >> bits << bits);
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
