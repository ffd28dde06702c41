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
 * A decoder layer forward: {@code m = x + o(attention(norm(x)))}, {@code y = m + down(act(gate(norm(m))) · up(norm(m)))}. In
 * families with output norms what is added to x and to m is normalised too.
 *
 * @param ropeRows I32 vector, of each token in the rotary embedding's tables
 */
record LayerForward(Pass pass, ModelConfig config, RopeTables rope, Tensor ropeRows, AttentionCall attention) {

    /** From {@code input} to {@code output}, both [tokens, hidden], filling {@code a}; they may be the same tensor. */
    void run(DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a, Tensor output) {
        upToGates(layer, lora, input, a, true);
        activate(a);
        Tensor added = a.outputs() == null ? output : a.outputs().feedForward();
        linear(layer.down(), lora.down(), a.activated(), a.low().down(), true, added);
        if (a.outputs() != null) {
            normalize(
                    added,
                    layer.norms().feedForwardOutput(),
                    output,
                    a.outputs().feedForwardRstd());
        }
        pass.ops().elementwise().add(output, a.middle(), output);
    }

    /** Makes again what {@code full} does not keep; the activation is left to backward where nothing else needs it. */
    void rerun(DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a) {
        upToGates(layer, lora, input, a, false);
        if (a.outputs() != null) {
            activate(a);
            Tensor added = a.outputs().feedForward();
            linear(layer.down(), lora.down(), a.activated(), a.low().down(), false, added);
        }
    }

    /** @param project whether the low-rank activations are to be made; otherwise they are there */
    private void upToGates(
            DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations a, boolean project) {
        normalize(input, layer.norms().input(), layer.qkv().input(a.normed()), a.inputRstd());
        linear(layer.qkv(), lora.qkv(), a.normed(), a.low().qkv(), project, a.qkv());
        attend(layer, a);
        Tensor added = a.outputs() == null ? a.middle() : a.outputs().attention();
        linear(layer.o(), lora.o(), a.attended(), a.low().o(), project, added);
        if (a.outputs() != null) {
            normalize(
                    added,
                    layer.norms().attentionOutput(),
                    a.middle(),
                    a.outputs().attentionRstd());
        }
        Tensor normed = layer.gateUp().input(a.middleNormed());
        Tensor weight = layer.norms().feedForward();
        float offset = config.traits().normWeightOffset();
        float eps = config.rmsNormEps();
        pass.ops().rmsNorm().addForward(a.middle(), input, a.middle(), weight, offset, eps, normed, a.middleRstd());
        linear(layer.gateUp(), lora.gateUp(), a.middleNormed(), a.low().gateUp(), project, a.gateUp());
    }

    private void linear(LinearGroup group, LoraSegments lora, Tensor x, Tensor t, boolean project, Tensor y) {
        if (project) {
            group.project(pass, x, lora, t);
        }
        group.forward(pass, x, lora, t, y);
    }

    /** Writes the normalised {@code x}. */
    void normalize(Tensor x, Tensor weight, Tensor normed, Tensor rstd) {
        float offset = config.traits().normWeightOffset();
        pass.ops().rmsNorm().forward(x, weight, offset, config.rmsNormEps(), normed, rstd);
    }

    private void attend(DecoderLayer layer, LayerActivations a) {
        turn(layer, a);
        QkvColumns qkv = QkvColumns.of(a, config);
        Tensor out = a.attended().colRange(0, config.queryDim());
        attention.attend(layer.index(), qkv.q(), qkv.k(), qkv.v(), out, a.logSumExp());
    }

    /** Queries and keys as attention reads them, in place where their heads have no norms. */
    void turn(DecoderLayer layer, LayerActivations a) {
        QkvColumns to = QkvColumns.of(a, config);
        if (a.turned() != null) {
            QkvColumns from = QkvColumns.of(a.qkv(), config);
            normalizeHeads(from.q(), layer.norms().query(), to.q());
            normalizeHeads(from.k(), layer.norms().key(), to.k());
        }
        pass.ops().rope().apply(to.turned(), ropeRows, rope.cos(), rope.sin(), config.headDim(), false);
    }

    private void normalizeHeads(Tensor x, Tensor weight, Tensor y) {
        pass.ops().headNorm().forward(x, weight, config.traits().normWeightOffset(), config.rmsNormEps(), y);
    }

    private void activate(LayerActivations a) {
        long inner = config.intermediateSize();
        Tensor gate = a.gateUp().colRange(0, inner);
        Tensor up = a.gateUp().colRange(inner, 2 * inner);
        Tensor out = a.activated().colRange(0, inner);
        pass.ops().gatedActivation().forward(gate, up, activation(), out);
    }

    /** The function on the gate. */
    GatedActivation.Kind activation() {
        return switch (config.hiddenAct()) {
            case "silu" -> GatedActivation.Kind.SILU;
            case "gelu_pytorch_tanh" -> GatedActivation.Kind.GELU_TANH;
            default -> throw new IllegalArgumentException("an activation named " + config.hiddenAct());
        };
    }
}
