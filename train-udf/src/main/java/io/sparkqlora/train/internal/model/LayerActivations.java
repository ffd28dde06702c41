// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import java.util.function.Supplier;

/**
 * What a decoder layer makes on its way forward, in that order. Buffers that feed a group of linear layers end with the
 * columns of its low-rank activations. Which of them a layer has for itself and which all layers share is the recompute
 * policy; what is shared is made again before backward.
 *
 * @param inputRstd of the first norm, F32 [tokens]
 * @param normed the input, normalised [tokens, hidden + low-rank]
 * @param qkv queries, keys and values, turned [tokens, queryDim + 2 · keyValueDim]
 * @param logSumExp of the attention, F32 [heads, tokens]
 * @param attended the attention's output [tokens, queryDim + low-rank]
 * @param middle the residual stream between attention and feed-forward [tokens, hidden]
 * @param middleRstd of the second norm, F32 [tokens]
 * @param middleNormed {@code middle}, normalised [tokens, hidden + low-rank]
 * @param gateUp gate and up projections [tokens, 2 · intermediate]
 * @param activated their gated product [tokens, intermediate + low-rank]
 */
record LayerActivations(
        Tensor inputRstd,
        Tensor normed,
        Tensor qkv,
        Tensor logSumExp,
        Tensor attended,
        Tensor middle,
        Tensor middleRstd,
        Tensor middleNormed,
        Tensor gateUp,
        Tensor activated) {

    /** Takes a layer's own buffers, the others from {@code shared}. */
    static LayerActivations own(Pass pass, ModelConfig c, Shapes shapes, Recompute recompute, LayerActivations shared) {
        boolean cheap = recompute == Recompute.NONE;
        boolean products = recompute != Recompute.FULL;
        return take(pass, c, shapes, cheap, products, shared);
    }

    /** Takes the buffers that layers share. */
    static LayerActivations shared(Pass pass, ModelConfig c, Shapes shapes, Recompute recompute) {
        boolean cheap = recompute != Recompute.NONE;
        boolean products = recompute == Recompute.FULL;
        return take(pass, c, shapes, cheap, products, EMPTY);
    }

    private static final LayerActivations EMPTY =
            new LayerActivations(null, null, null, null, null, null, null, null, null, null);

    private static LayerActivations take(
            Pass pass, ModelConfig c, Shapes s, boolean cheap, boolean products, LayerActivations other) {
        return new LayerActivations(
                pick(products, () -> pass.vector(s.tokens), other.inputRstd),
                pick(cheap, () -> pass.matrix(s.tokens, s.normed), other.normed),
                pick(products, () -> pass.matrix(s.tokens, c.queryDim() + 2L * c.keyValueDim()), other.qkv),
                pick(products, () -> pass.arena().take(DType.F32, c.numAttentionHeads(), s.tokens), other.logSumExp),
                pick(products, () -> pass.matrix(s.tokens, s.attended), other.attended),
                pick(products, () -> pass.matrix(s.tokens, c.hiddenSize()), other.middle),
                pick(products, () -> pass.vector(s.tokens), other.middleRstd),
                pick(cheap, () -> pass.matrix(s.tokens, s.middleNormed), other.middleNormed),
                pick(products, () -> pass.matrix(s.tokens, 2L * c.intermediateSize()), other.gateUp),
                pick(cheap, () -> pass.matrix(s.tokens, s.activated), other.activated));
    }

    private static Tensor pick(boolean own, Supplier<Tensor> take, Tensor shared) {
        return own ? take.get() : shared;
    }

    /** Sizes that depend on which layers have an adapter. */
    record Shapes(long tokens, long normed, long attended, long middleNormed, long activated) {

        static Shapes of(long tokens, DecoderLayer layer, ModelAdapter.Layer lora) {
            return new Shapes(
                    tokens,
                    layer.qkv().inputWidth(lora.qkv()),
                    layer.o().inputWidth(lora.o()),
                    layer.gateUp().inputWidth(lora.gateUp()),
                    layer.down().inputWidth(lora.down()));
        }

        Shapes max(Shapes other) {
            return new Shapes(
                    tokens,
                    Math.max(normed, other.normed),
                    Math.max(attended, other.attended),
                    Math.max(middleNormed, other.middleNormed),
                    Math.max(activated, other.activated));
        }
    }

    /** The same buffers cut to the columns that this layer uses. */
    LayerActivations cut(Shapes s) {
        return new LayerActivations(
                inputRstd,
                columns(normed, s.normed),
                qkv,
                logSumExp,
                columns(attended, s.attended),
                middle,
                middleRstd,
                columns(middleNormed, s.middleNormed),
                gateUp,
                columns(activated, s.activated));
    }

    private static Tensor columns(Tensor tensor, long cols) {
        return tensor == null ? null : tensor.colRange(0, cols);
    }
}
