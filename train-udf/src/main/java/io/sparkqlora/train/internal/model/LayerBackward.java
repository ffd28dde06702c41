// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;

/**
 * A decoder layer backward: the gradient of its output becomes that of its input, the adapters' gradients are added up.
 *
 * @param forward the run that is undone; makes again what was not kept
 */
record LayerBackward(LayerForward forward, Attention.Sequences sequences, Recompute recompute) {

    private Pass pass() {
        return forward.pass();
    }

    private ModelConfig config() {
        return forward.config();
    }

    /**
     * @param input the layer's input
     * @param a what forward made; the gate and up projections are overwritten
     * @param gradient of the output [tokens, hidden]; on return that of the input
     * @param inputGradient false for the lowest layer with an adapter: {@code gradient} is scratch then
     */
    void run(
            DecoderLayer layer,
            ModelAdapter.Layer lora,
            Tensor input,
            LayerActivations a,
            Tensor gradient,
            boolean inputGradient) {
        if (recompute == Recompute.FULL) {
            forward.rerun(layer, lora, input, a);
        }
        feedForward(layer, lora, a, gradient);
        attention(layer, lora, input, a, gradient, inputGradient);
    }

    private void feedForward(DecoderLayer layer, ModelAdapter.Layer lora, LayerActivations a, Tensor gradient) {
        long mark = pass().arena().mark();
        if (recompute != Recompute.NONE) {
            forward.recomputeActivated(layer, lora, a, recompute == Recompute.SELECTIVE);
        }
        Tensor dActivated = input(layer.down(), lora.down(), gradient, a.activated());
        activationBackward(dActivated, a.gateUp());
        if (recompute == Recompute.SELECTIVE) {
            forward.recomputeNormed(
                    a.middle(),
                    layer.postAttentionNorm(),
                    layer.gateUp(),
                    lora.gateUp(),
                    a.middleNormed(),
                    a.middleRstd());
        }
        Tensor dNormed = input(layer.gateUp(), lora.gateUp(), a.gateUp(), a.middleNormed());
        normBackward(dNormed, a.middle(), layer.postAttentionNorm(), a.middleRstd(), gradient);
        pass().arena().release(mark);
    }

    private void attention(
            DecoderLayer layer,
            ModelAdapter.Layer lora,
            Tensor input,
            LayerActivations a,
            Tensor gradient,
            boolean inputGradient) {
        long mark = pass().arena().mark();
        Tensor dQkv = pass().matrix(a.qkv().rows(), a.qkv().cols());
        attentionBackward(layer, lora, a, gradient, dQkv);
        if (recompute == Recompute.SELECTIVE) {
            forward.recomputeNormed(input, layer.inputNorm(), layer.qkv(), lora.qkv(), a.normed(), a.inputRstd());
        }
        Tensor dNormed = pass().matrix(a.normed().rows(), a.normed().cols());
        layer.qkv().backward(pass(), dQkv, a.normed(), lora.qkv(), forward.masks(), inputGradient, dNormed);
        if (inputGradient) {
            normBackward(layer.qkv().input(dNormed), input, layer.inputNorm(), a.inputRstd(), gradient);
        }
        pass().arena().release(mark);
    }

    private void attentionBackward(
            DecoderLayer layer, ModelAdapter.Layer lora, LayerActivations a, Tensor gradient, Tensor dQkv) {
        long mark = pass().arena().mark();
        Tensor dAttended = input(layer.o(), lora.o(), gradient, a.attended());
        QkvColumns qkv = QkvColumns.of(a.qkv(), config());
        QkvColumns d = QkvColumns.of(dQkv, config());
        Tensor out = layer.o().input(a.attended());
        Attention.Settings settings = ModelForward.attentionSettings(config());
        pass().ops()
                .attention()
                .backward(
                        dAttended,
                        qkv.q(),
                        qkv.k(),
                        qkv.v(),
                        out,
                        a.logSumExp(),
                        sequences,
                        settings,
                        d.q(),
                        d.k(),
                        d.v());
        RopeTables rope = forward.rope();
        pass().ops().rope().apply(d.turned(), forward.positions(), rope.cos(), rope.sin(), config().headDim(), true);
        pass().arena().release(mark);
    }

    /** The gradient of a group's input, in new scratch. */
    private Tensor input(LinearGroup group, LoraGroup lora, Tensor dy, Tensor x) {
        Tensor dx = pass().matrix(x.rows(), x.cols());
        group.backward(pass(), dy, x, lora, forward.masks(), true, dx);
        return group.input(dx);
    }

    private void activationBackward(Tensor dActivated, Tensor gateUp) {
        long inner = config().intermediateSize();
        Tensor gate = gateUp.colRange(0, inner);
        Tensor up = gateUp.colRange(inner, 2 * inner);
        pass().ops().gatedActivation().backward(dActivated, gate, up, GatedActivation.Kind.SILU, gate, up);
    }

    /** The residual's gradient passes by and is added. */
    private void normBackward(Tensor dy, Tensor x, Tensor weight, Tensor rstd, Tensor gradient) {
        pass().ops().rmsNorm().backward(dy, x, weight, 0f, rstd, gradient, gradient);
    }
}
