// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraSegments;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;

/**
 * A decoder layer forward: {@code m = x + o(attention(norm(x)))}, {@code y = m + down(act(gate(norm(m))) · up(norm(m)))}.
 *
 * @param positions I32 vector, of each token in its sequence
 */
record LayerForward(Pass pass, ModelConfig config, RopeTables rope, Tensor positions, AttentionCall attention) {

    /** From {@code input} to {@code output}, both [tokens, hidden], filling {@code a}; they may be the same tensor. */
    void run(DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a, Tensor output) {
        upToGates(layer, lora, input, a, true);
        activate(a);
        linear(layer.down(), lora.down(), a.activated(), a.low().down(), true, output);
        pass.ops().elementwise().add(output, a.middle(), output);
    }

    /** Makes again what {@code full} does not keep; the activation is left to backward. */
    void rerun(DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a) {
        upToGates(layer, lora, input, a, false);
    }

    /** @param project whether the low-rank activations are to be made; otherwise they are there */
    private void upToGates(
            DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a, boolean project) {
        normalize(input, layer.inputNorm(), layer.qkv(), a.normed(), a.inputRstd());
        linear(layer.qkv(), lora.qkv(), a.normed(), a.low().qkv(), project, a.qkv());
        attend(layer.index(), a);
        linear(layer.o(), lora.o(), a.attended(), a.low().o(), project, a.middle());
        Tensor normed = layer.gateUp().input(a.middleNormed());
        Tensor weight = layer.postAttentionNorm();
        float eps = config.rmsNormEps();
        pass.ops().rmsNorm().addForward(a.middle(), input, a.middle(), weight, 0f, eps, normed, a.middleRstd());
        linear(layer.gateUp(), lora.gateUp(), a.middleNormed(), a.low().gateUp(), project, a.gateUp());
    }

    private void linear(LinearGroup group, LoraSegments lora, Tensor x, Tensor t, boolean project, Tensor y) {
        if (project) {
            group.project(pass, x, lora, t);
        }
        group.forward(pass, x, lora, t, y);
    }

    /** Writes the normalised {@code x} into the columns of the input that {@code normed} is for {@code group}. */
    void normalize(Tensor x, Tensor weight, LinearGroup group, Tensor normed, Tensor rstd) {
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
