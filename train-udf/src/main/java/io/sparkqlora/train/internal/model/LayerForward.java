// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;

/**
 * A decoder layer forward: {@code m = x + o(attention(norm(x)))}, {@code y = m + down(act(gate(norm(m))) · up(norm(m)))}.
 *
 * @param positions I32 vector, of each token in its sequence
 * @param masks dropout, or null for none
 */
record LayerForward(
        Pass pass, ModelConfig config, RopeTables rope, Tensor positions, AttentionCall attention, DropoutMasks masks) {

    /** From {@code input} to {@code output}, both [tokens, hidden], filling {@code a}; they may be the same tensor. */
    void run(DecoderLayer layer, ModelAdapter.Layer lora, Tensor input, LayerActivations a, Tensor output) {
        rerun(layer, lora, input, a);
        layer.down().forward(pass, a.activated(), lora.down(), masks, output);
        pass.ops().elementwise().add(output, a.middle(), output);
    }

    /** Fills {@code a} without the layer's output: all that backward reads but the last low-rank activations. */
    void rerun(DecoderLayer layer, ModelAdapter.Layer lora, Tensor input, LayerActivations a) {
        normalize(input, layer.inputNorm(), layer.qkv(), a.normed(), a.inputRstd());
        layer.qkv().forward(pass, a.normed(), lora.qkv(), masks, a.qkv());
        attend(layer.index(), a);
        layer.o().forward(pass, a.attended(), lora.o(), masks, a.middle());
        pass.ops().elementwise().add(a.middle(), input, a.middle());
        normalize(a.middle(), layer.postAttentionNorm(), layer.gateUp(), a.middleNormed(), a.middleRstd());
        layer.gateUp().forward(pass, a.middleNormed(), lora.gateUp(), masks, a.gateUp());
        activate(a);
    }

    /** Makes again what {@code selective} does not keep of the feed-forward network's end. */
    void recomputeActivated(DecoderLayer layer, ModelAdapter.Layer lora, LayerActivations a, boolean activation) {
        if (activation) {
            activate(a);
        }
        project(lora.down(), a.activated());
    }

    /** Makes again what {@code selective} does not keep: a normalised input and its low-rank activations. */
    void recomputeNormed(Tensor x, Tensor weight, LinearGroup group, LoraGroup lora, Tensor normed, Tensor rstd) {
        normalize(x, weight, group, normed, rstd);
        project(lora, normed);
    }

    private void project(LoraGroup lora, Tensor x) {
        if (lora != null) {
            lora.project(pass, x, masks);
        }
    }

    private void normalize(Tensor x, Tensor weight, LinearGroup group, Tensor normed, Tensor rstd) {
        pass.ops().rmsNorm().forward(x, weight, 0f, config.rmsNormEps(), group.input(normed), rstd);
    }

    private void attend(int layer, LayerActivations a) {
        QkvColumns qkv = QkvColumns.of(a.qkv(), config);
        pass.ops().rope().apply(qkv.turned(), positions, rope.cos(), rope.sin(), config.headDim(), false);
        Tensor out = a.attended().colRange(0, config.queryDim());
        attention.attend(layer, qkv.q(), qkv.k(), qkv.v(), out, a.logSumExp());
    }

    private void activate(LayerActivations a) {
        long inner = config.intermediateSize();
        Tensor gate = a.gateUp().colRange(0, inner);
        Tensor up = a.gateUp().colRange(inner, 2 * inner);
        Tensor out = a.activated().colRange(0, inner);
        pass.ops().gatedActivation().forward(gate, up, GatedActivation.Kind.SILU, out);
    }
}
