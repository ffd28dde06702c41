// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.LayerActivations.Shapes;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Forward and backward of a micro-batch: its loss, and its part of the adapter's gradients.
 *
 * @param model the base
 * @param adapter whose gradients are added to
 * @param rope tables that reach every position
 * @param recompute what is kept between forward and backward
 * @param recordings of micro-batches that came before
 */
public record MicroBatch(
        Pass pass, BaseModel model, ModelAdapter adapter, RopeTables rope, Recompute recompute, Recordings recordings) {

    /**
     * What decides which operations a micro-batch issues, and on which memory. The tokens are not part of it, nor what
     * dropout draws: those lie on the device.
     */
    private record Shape(
            int tokens,
            int targets,
            IntBuffer starts,
            float gradientScale,
            boolean dropout,
            Tensor lossSum,
            long arenaMark) {

        Shape(HostBatch host, float gradientScale, boolean dropout, Tensor lossSum, long arenaMark) {
            this(
                    host.tokens(),
                    host.targetRows().length,
                    IntBuffer.wrap(host.starts()),
                    gradientScale,
                    dropout,
                    lossSum,
                    arenaMark);
        }
    }

    private static final LayerSteps NOBODY = new LayerSteps() {};

    /** A layer with what its forward run left behind. */
    private record Run(DecoderLayer layer, ModelAdapter.Layer lora, Tensor input, LayerActivations activations) {}

    /**
     * Adds the losses, and the gradients of {@code gradientScale} times their sum.
     *
     * @param draw dropout, or null for none
     * @param lossSum F64 [1], in nats
     */
    public void run(HostBatch host, DropoutMasks.Draw draw, float gradientScale, Tensor lossSum) {
        long mark = pass.arena().mark();
        Batch batch = Batch.upload(pass, host, draw);
        recordings.run(
                new Shape(host, gradientScale, draw != null, lossSum, mark),
                () -> issue(batch, gradientScale, lossSum, NOBODY));
        pass.arena().release(mark);
    }

    /**
     * The same, issued one by one, for somebody who does something before or after a layer is.
     *
     * @param steps told what is told by {@link LayerSteps#walk}
     */
    public void run(HostBatch host, DropoutMasks.Draw draw, float gradientScale, Tensor lossSum, LayerSteps steps) {
        long mark = pass.arena().mark();
        issue(Batch.upload(pass, host, draw), gradientScale, lossSum, steps);
        pass.arena().release(mark);
    }

    /** Forward and backward. Everything here is on the device: it may be recorded and run again with another batch. */
    private void issue(Batch batch, float gradientScale, Tensor lossSum, LayerSteps steps) {
        long mark = pass.arena().mark();
        LayerForward forward = forward(batch);
        List<Run> runs = new ArrayList<>();
        Tensor hidden = forward(forward, batch, runs, steps);
        Tensor gradient =
                pass.arena().take(pass.dtype(), batch.tokens(), model.config().hiddenSize());
        OutputHead head = new OutputHead(pass, model, adapter.lmHead(), batch.masks());
        new LossHead(pass, head).forwardBackward(hidden, batch, gradientScale, lossSum, gradient);
        backward(new LayerBackward(forward, batch.sequences(), recompute), runs, gradient, steps);
        pass.arena().release(mark);
    }

    /** Adds the losses alone, without dropout. */
    public static void evaluate(ModelForward forward, HostBatch host, Tensor lossSum) {
        Pass pass = forward.pass();
        long mark = pass.arena().mark();
        Batch batch = Batch.upload(pass, host);
        Tensor hidden = forward.hidden(batch);
        OutputHead head = new OutputHead(pass, forward.model(), ModelAdapter.lmHead(forward.adapter()), null);
        new LossHead(pass, head).forward(hidden, batch, lossSum);
        pass.arena().release(mark);
    }

    private LayerForward forward(Batch batch) {
        Attention attention = pass.ops().attention();
        Attention.Settings settings = ModelForward.attentionSettings(model.config());
        AttentionCall call = (layer, q, k, v, out, logSumExp) ->
                attention.forward(q, k, v, batch.sequences(), settings, out, logSumExp);
        return new LayerForward(pass, model.config(), rope, batch.positions(), call, batch.masks());
    }

    private Tensor forward(LayerForward forward, Batch batch, List<Run> runs, LayerSteps steps) {
        long tokens = batch.tokens();
        Tensor hidden = ModelForward.embed(pass, model, batch.inputIds());
        Shapes widest = ModelForward.widest(model, adapter, tokens);
        LayerActivations shared = LayerActivations.shared(pass, model.config(), widest, recompute);
        for (DecoderLayer layer : model.layers()) {
            ModelAdapter.Layer lora = ModelAdapter.layer(adapter, layer.index());
            LayerActivations a = LayerActivations.own(pass, model.config(), widest, recompute, shared)
                    .cut(model.config(), Shapes.of(tokens, lora));
            Tensor output =
                    pass.arena().take(pass.dtype(), tokens, model.config().hiddenSize());
            steps.before(layer.index());
            forward.run(layer, lora, hidden, a, output);
            runs.add(new Run(layer, lora, hidden, a));
            hidden = output;
        }
        return hidden;
    }

    private void backward(LayerBackward backward, List<Run> runs, Tensor gradient, LayerSteps steps) {
        int lowest = adapter.lowestLayer();
        for (int i = runs.size() - 1; i >= lowest; i--) {
            Run run = runs.get(i);
            steps.before(i);
            backward.run(run.layer(), run.lora(), run.input(), run.activations(), gradient, i > lowest);
            steps.afterBackward(i);
        }
    }
}
