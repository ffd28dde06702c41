// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.Pass;
import java.util.function.Supplier;

/**
 * What a decoder layer makes on its way forward, in that order. Buffers that feed a group of linear layers end with room for
 * the columns of its low-rank activations. Which of them a layer has for itself and which all layers share is the recompute
 * policy; what is shared is made again before backward.
 *
 * @param inputRstd of the first norm, F32 [tokens]
 * @param normed the input, normalised [tokens, hidden + low-rank]
 * @param qkv queries, keys and values [tokens, queryDim + 2 · keyValueDim], turned where their heads have no norms
 * @param turned queries and keys, their heads normalised and turned [tokens, queryDim + keyValueDim]; null without such norms
 * @param logSumExp of the attention, F32 [heads, tokens]
 * @param attended the attention's output [tokens, queryDim + low-rank]
 * @param middle the residual stream between attention and feed-forward [tokens, hidden]
 * @param middleRstd of the second norm, F32 [tokens]
 * @param middleNormed {@code middle}, normalised [tokens, hidden + low-rank]
 * @param gateUp gate and up projections [tokens, 2 · intermediate]
 * @param activated their gated product [tokens, intermediate + low-rank]
 * @param outputs what attention and feed-forward add to the residual stream before it is normalised; null where it is not
 * @param low the low-rank activations
 */
record LayerActivations(
        Tensor inputRstd,
        Tensor normed,
        Tensor qkv,
        Tensor turned,
        Tensor logSumExp,
        Tensor attended,
        Tensor middle,
        Tensor middleRstd,
        Tensor middleNormed,
        Tensor gateUp,
        Tensor activated,
        Outputs outputs,
        LowRank low) {

    /**
     * Inputs of the norms behind attention and feed-forward [tokens, hidden], and what those norms keep, F32 [tokens].
     *
     * @param feedForwardRstd every policy keeps it: making it again would take a norm whose output nobody wants
     */
    record Outputs(Tensor attention, Tensor attentionRstd, Tensor feedForward, Tensor feedForwardRstd) {}

    /**
     * The low-rank activations of each group, [tokens, low-rank]. They are small beside the inputs that making them again would
     * have to read, so every policy keeps them.
     */
    record LowRank(Tensor qkv, Tensor o, Tensor gateUp, Tensor down) {

        private static LowRank take(Pass pass, Shapes s) {
            return new LowRank(
                    take(pass, s, s.qkv), take(pass, s, s.o), take(pass, s, s.gateUp), take(pass, s, s.down));
        }

        /** Without gaps: rows are short, and lines filled up would multiply them. */
        private static Tensor take(Pass pass, Shapes s, long width) {
            return pass.arena().take(pass.dtype(), s.tokens, width);
        }
    }

    /** Takes a layer's own buffers, the others from {@code shared}. */
    static LayerActivations own(Pass pass, ModelConfig c, Shapes shapes, Recompute recompute, LayerActivations shared) {
        boolean cheap = recompute == Recompute.NONE;
        boolean products = recompute != Recompute.FULL;
        return take(pass, c, shapes, cheap, products, shared, LowRank.take(pass, shapes));
    }

    /** Takes the buffers that layers share. */
    static LayerActivations shared(Pass pass, ModelConfig c, Shapes shapes, Recompute recompute) {
        boolean cheap = recompute != Recompute.NONE;
        boolean products = recompute == Recompute.FULL;
        return take(pass, c, shapes, cheap, products, EMPTY, null);
    }

    /** Takes buffers for a run without backward, which all layers share. */
    static LayerActivations passing(Pass pass, ModelConfig c, Shapes shapes) {
        return take(pass, c, shapes, true, true, EMPTY, LowRank.take(pass, shapes));
    }

    private static final LayerActivations EMPTY = new LayerActivations(
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            new Outputs(null, null, null, null),
            null);

    private static LayerActivations take(
            Pass pass, ModelConfig c, Shapes s, boolean cheap, boolean products, LayerActivations other, LowRank low) {
        return new LayerActivations(
                pick(products, () -> pass.vector(s.tokens), other.inputRstd),
                pick(cheap, () -> pass.matrix(s.tokens, c.hiddenSize() + s.qkv), other.normed),
                pick(products, () -> pass.matrix(s.tokens, c.queryDim() + 2L * c.keyValueDim()), other.qkv),
                c.traits().queryKeyNorms()
                        ? pick(cheap, () -> pass.matrix(s.tokens, (long) c.queryDim() + c.keyValueDim()), other.turned)
                        : null,
                pick(products, () -> pass.arena().take(DType.F32, c.numAttentionHeads(), s.tokens), other.logSumExp),
                pick(products, () -> pass.matrix(s.tokens, c.queryDim() + s.o), other.attended),
                pick(products, () -> pass.matrix(s.tokens, c.hiddenSize()), other.middle),
                pick(products, () -> pass.vector(s.tokens), other.middleRstd),
                pick(cheap, () -> pass.matrix(s.tokens, c.hiddenSize() + s.gateUp), other.middleNormed),
                pick(products, () -> pass.matrix(s.tokens, 2L * c.intermediateSize()), other.gateUp),
                pick(cheap, () -> pass.matrix(s.tokens, c.intermediateSize() + s.down), other.activated),
                c.traits().outputNorms() ? outputs(pass, c, s, products, other.outputs, low != null) : null,
                low);
    }

    private static Outputs outputs(Pass pass, ModelConfig c, Shapes s, boolean products, Outputs other, boolean own) {
        return new Outputs(
                pick(products, () -> pass.matrix(s.tokens, c.hiddenSize()), other.attention),
                pick(products, () -> pass.vector(s.tokens), other.attentionRstd),
                pick(products, () -> pass.matrix(s.tokens, c.hiddenSize()), other.feedForward),
                pick(own, () -> pass.vector(s.tokens), other.feedForwardRstd));
    }

    private static Tensor pick(boolean own, Supplier<Tensor> take, Tensor shared) {
        return own ? take.get() : shared;
    }

    /** Columns of the low-rank activations, which depend on which layers have an adapter. */
    record Shapes(long tokens, long qkv, long o, long gateUp, long down) {

        static Shapes of(long tokens, RowAdapters.Layer lora) {
            return new Shapes(
                    tokens,
                    LinearGroup.lowRankWidth(lora.qkv()),
                    LinearGroup.lowRankWidth(lora.o()),
                    LinearGroup.lowRankWidth(lora.gateUp()),
                    LinearGroup.lowRankWidth(lora.down()));
        }

        Shapes max(Shapes other) {
            return new Shapes(
                    tokens,
                    Math.max(qkv, other.qkv),
                    Math.max(o, other.o),
                    Math.max(gateUp, other.gateUp),
                    Math.max(down, other.down));
        }
    }

    /** The same buffers cut to the columns that this layer uses. */
    LayerActivations cut(ModelConfig c, Shapes s) {
        return new LayerActivations(
                inputRstd,
                normed.colRange(0, c.hiddenSize() + s.qkv),
                qkv,
                turned,
                logSumExp,
                attended.colRange(0, c.queryDim() + s.o),
                middle,
                middleRstd,
                middleNormed.colRange(0, c.hiddenSize() + s.gateUp),
                gateUp,
                activated.colRange(0, c.intermediateSize() + s.down),
                outputs,
                new LowRank(
                        low.qkv.colRange(0, s.qkv),
                        low.o.colRange(0, s.o),
                        low.gateUp.colRange(0, s.gateUp),
                        low.down.colRange(0, s.down)));
    }
}
