// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.LinearGroup;
import io.sparkqlora.train.internal.linear.LoraSegments;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.linear.SavedWeight;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;

/**
 * A decoder layer backward: the gradient of its output becomes that of its input, the adapters' gradients are added up.
 *
 * @param forward the run that is undone; makes again what was not kept
 * @param saved norms that are trained
 * @param holds whether there is memory for a layer's weights that are multiplied by twice
 */
record LayerBackward(
        LayerForward forward, Attention.Sequences sequences, Recompute recompute, boolean holds, SavedModules saved) {

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
     * @param there whether what layers share is still this one's, since none ran after it
     */
    void run(
            DecoderLayer layer,
            RowAdapters.Layer lora,
            Tensor input,
            LayerActivations a,
            Tensor gradient,
            boolean inputGradient,
            boolean there) {
        long mark = pass().arena().mark();
        DecoderLayer held = layer;
        if (recompute == Recompute.FULL && !there) {
            held = holds ? held(layer, lora) : layer;
            forward.rerun(held, lora, input, a);
        }
        feedForward(held, lora, a, gradient);
        attention(held, lora, input, a, gradient, inputGradient);
        pass().arena().release(mark);
    }

    /** What is multiplied both when the layer is made again and backward is dequantised once for both. */
    private DecoderLayer held(DecoderLayer layer, RowAdapters.Layer lora) {
        return new DecoderLayer(
                layer.index(),
                layer.norms(),
                layer.qkv().held(pass(), lora.qkv()),
                layer.o().held(pass(), lora.o()),
                layer.gateUp().held(pass(), lora.gateUp()),
                config().traits().outputNorms() ? layer.down().held(pass(), lora.down()) : layer.down());
    }

    private void feedForward(DecoderLayer layer, RowAdapters.Layer lora, LayerActivations a, Tensor gradient) {
        long mark = pass().arena().mark();
        LayerActivations.Outputs outputs = a.outputs();
        Norm output = outputs == null
                ? null
                : new Norm(
                        outputs.feedForward(),
                        layer.norms().feedForwardOutput(),
                        outputs.feedForwardRstd(),
                        saved.norms(layer.index()).feedForwardOutput());
        Tensor dAdded = outputs == null ? gradient : added(output, gradient);
        Tensor dActivated = input(layer.down(), lora.down(), dAdded, a.low().down(), a.activated());
        activationBackward(layer.down(), dActivated, a);
        gradients(layer.down(), lora.down(), a.activated(), dAdded, a.low().down(), dActivated);
        pass().arena().release(mark);
        Tensor dNormed =
                input(layer.gateUp(), lora.gateUp(), a.gateUp(), a.low().gateUp(), a.middleNormed());
        Norm norm = new Norm(
                a.middle(),
                layer.norms().feedForward(),
                a.middleRstd(),
                saved.norms(layer.index()).feedForward());
        normBackward(layer.gateUp(), dNormed, norm, a.middleNormed(), gradient);
        gradients(
                layer.gateUp(),
                lora.gateUp(),
                a.middleNormed(),
                a.gateUp(),
                a.low().gateUp(),
                dNormed);
        pass().arena().release(mark);
    }

    private void attention(
            DecoderLayer layer,
            RowAdapters.Layer lora,
            Tensor input,
            LayerActivations a,
            Tensor gradient,
            boolean inputGradient) {
        long mark = pass().arena().mark();
        Tensor dQkv = pass().matrix(a.qkv().rows(), a.qkv().cols());
        attentionBackward(layer, lora, a, gradient, dQkv);
        Tensor dNormed = pass().matrix(a.normed().rows(), a.normed().cols());
        layer.qkv().backward(pass(), dQkv, a.low().qkv(), lora.qkv(), inputGradient, dNormed);
        if (inputGradient) {
            Norm norm = new Norm(
                    input,
                    layer.norms().input(),
                    a.inputRstd(),
                    saved.norms(layer.index()).input());
            normBackward(layer.qkv(), dNormed, norm, a.normed(), gradient);
        } else if (recompute == Recompute.SELECTIVE) {
            forward.normalize(input, layer.norms().input(), layer.qkv().input(a.normed()), a.inputRstd());
        }
        gradients(layer.qkv(), lora.qkv(), a.normed(), dQkv, a.low().qkv(), dNormed);
        pass().arena().release(mark);
    }

    private void attentionBackward(
            DecoderLayer layer, RowAdapters.Layer lora, LayerActivations a, Tensor gradient, Tensor dQkv) {
        long mark = pass().arena().mark();
        LayerActivations.Outputs outputs = a.outputs();
        Norm output = outputs == null
                ? null
                : new Norm(
                        outputs.attention(),
                        layer.norms().attentionOutput(),
                        outputs.attentionRstd(),
                        saved.norms(layer.index()).attentionOutput());
        Tensor dAdded = outputs == null ? gradient : added(output, gradient);
        Tensor dAttended = input(layer.o(), lora.o(), dAdded, a.low().o(), a.attended());
        gradients(layer.o(), lora.o(), a.attended(), dAdded, a.low().o(), dAttended);
        if (a.turned() != null && recompute == Recompute.SELECTIVE) {
            forward.turn(layer, a);
        }
        QkvColumns d = QkvColumns.of(dQkv, config());
        softmaxBackward(layer, a, layer.o().input(dAttended), d);
        turnBack(layer, a, d);
        pass().arena().release(mark);
    }

    private void softmaxBackward(DecoderLayer layer, LayerActivations a, Tensor dOut, QkvColumns d) {
        QkvColumns qkv = QkvColumns.of(a, config());
        Tensor out = layer.o().input(a.attended());
        Attention.Settings settings = ModelForward.attentionSettings(config(), layer.index());
        Tensor sums = a.logSumExp();
        Attention attention = pass().ops().attention();
        attention.backward(dOut, qkv.q(), qkv.k(), qkv.v(), out, sums, sequences, settings, d.q(), d.k(), d.v());
    }

    /** Gradients of what attention read become those of what the linear layers made. */
    private void turnBack(DecoderLayer layer, LayerActivations a, QkvColumns d) {
        RopeTables rope = forward.rope();
        pass().ops().rope().apply(d.turned(), forward.ropeRows(), rope.cos(), rope.sin(), config().headDim(), true);
        if (a.turned() != null) {
            QkvColumns made = QkvColumns.of(a.qkv(), config());
            LayerNorms<SavedWeight> trained = saved.norms(layer.index());
            headNormBackward(d.q(), made.q(), layer.norms().query(), trained.query());
            headNormBackward(d.k(), made.k(), layer.norms().key(), trained.key());
        }
    }

    private void headNormBackward(Tensor gradient, Tensor x, Tensor weight, SavedWeight trained) {
        saved.addHeadNormGradient(pass(), config().rmsNormEps(), trained, x, gradient);
        float offset = config().traits().normWeightOffset();
        pass().ops().headNorm().backward(gradient, x, weight, offset, config().rmsNormEps(), gradient);
    }

    /** Through a norm behind attention or feed-forward: the gradient of what it read, in new scratch. */
    private Tensor added(Norm norm, Tensor gradient) {
        Tensor d = pass().matrix(gradient.rows(), gradient.cols());
        float offset = config().traits().normWeightOffset();
        saved.addNormGradient(pass(), config().rmsNormEps(), norm.trained(), norm.x(), gradient);
        pass().ops().rmsNorm().backward(gradient, norm.x(), norm.weight(), offset, norm.rstd(), null, d, null);
        return d;
    }

    /** The gradient of a group's input {@code x}, in new scratch of its shape. */
    private Tensor input(LinearGroup group, LoraSegments lora, Tensor dy, Tensor t, Tensor x) {
        Tensor dx = pass().matrix(x.rows(), x.cols());
        group.backward(pass(), dy, t, lora, true, dx);
        return dx;
    }

    private void gradients(LinearGroup group, LoraSegments lora, Tensor x, Tensor dy, Tensor t, Tensor dx) {
        group.gradients(pass(), x, dy, t, lora, dx);
    }

    /** Gate and up projection become their gradients; the activation, where it was not kept, is made again on the way. */
    private void activationBackward(LinearGroup down, Tensor dActivated, LayerActivations a) {
        long inner = config().intermediateSize();
        Tensor gate = a.gateUp().colRange(0, inner);
        Tensor up = a.gateUp().colRange(inner, 2 * inner);
        Tensor again = recompute == Recompute.NONE ? null : down.input(a.activated());
        GatedActivation activation = pass().ops().gatedActivation();
        activation.backward(down.input(dActivated), gate, up, forward.activation(), gate, up, again);
    }

    /** What a norm read and made; {@code trained} is its weight if that is, else null. */
    private record Norm(Tensor x, Tensor weight, Tensor rstd, SavedWeight trained) {}

    /**
     * Through the norm before {@code group}; the residual's gradient passes by and is added. What the norm made, where it was
     * not kept, is made again on the way.
     */
    private void normBackward(LinearGroup group, Tensor dNormed, Norm norm, Tensor normed, Tensor gradient) {
        Tensor again = recompute == Recompute.SELECTIVE ? group.input(normed) : null;
        float offset = config().traits().normWeightOffset();
        saved.addNormGradient(pass(), config().rmsNormEps(), norm.trained(), norm.x(), group.input(dNormed));
        pass().ops()
                .rmsNorm()
                .backward(
                        group.input(dNormed), norm.x(), norm.weight(), offset, norm.rstd(), gradient, gradient, again);
    }
}
