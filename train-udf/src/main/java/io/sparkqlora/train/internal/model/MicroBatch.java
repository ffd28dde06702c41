// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Recompute;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.linear.SavedWeight;
import io.sparkqlora.train.internal.model.BaseModel.DecoderLayer;
import io.sparkqlora.train.internal.model.LayerActivations.Shapes;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Forward and backward of a micro-batch: its loss, and its part of the adapters' gradients.
 *
 * @param model the base
 * @param rope tables that reach every position
 * @param recompute what is kept between forward and backward
 * @param recordings of micro-batches that came before
 */
public record MicroBatch(Pass pass, BaseModel model, RopeTables rope, Recompute recompute, Recordings recordings) {

    /**
     * What decides which operations a micro-batch issues, and on which memory. The tokens are not part of it, nor what
     * dropout draws: those lie on the device.
     */
    private record Shape(List<BatchPart.Shape> parts, List<IntBuffer> starts, long arenaMark) {

        Shape(List<BatchPart> parts, long arenaMark) {
            this(
                    parts.stream().map(BatchPart::shape).toList(),
                    parts.stream().map(p -> IntBuffer.wrap(p.rows().starts())).toList(),
                    arenaMark);
        }
    }

    /** A layer with what its forward run left behind. */
    private record Run(DecoderLayer layer, RowAdapters.Layer lora, Tensor input, LayerActivations activations) {}

    /**
     * Adds the losses, and the gradients of each part's {@code gradientScale} times their sum.
     *
     * @param parts at least one; each adapter in as many as it likes
     */
    public void run(List<BatchPart> parts) {
        long mark = pass.arena().mark();
        Batch batch = Batch.upload(pass, rope, model.config().hiddenSize(), parts);
        recordings.run(new Shape(parts, mark), () -> over(parts).issue(batch, parts, LayerSteps.NOBODY));
        pass.arena().release(mark);
    }

    /**
     * The same, issued one by one, for somebody who does something before or after a layer is.
     *
     * @param steps told what is told by {@link LayerSteps#walk}
     */
    public void run(List<BatchPart> parts, LayerSteps steps) {
        long mark = pass.arena().mark();
        over(parts).issue(Batch.upload(pass, rope, model.config().hiddenSize(), parts), parts, steps);
        pass.arena().release(mark);
    }

    /** The same over a base that has in it what the adapter trains whole; there is one adapter then. */
    private MicroBatch over(List<BatchPart> parts) {
        BaseModel own = parts.get(0).adapter().saved().over(model);
        return new MicroBatch(pass, own, rope, recompute, recordings);
    }

    /** Forward and backward. Everything here is on the device: it may be recorded and run again with another batch. */
    private void issue(Batch batch, List<BatchPart> parts, LayerSteps steps) {
        long mark = pass.arena().mark();
        SavedModules saved = parts.get(0).adapter().saved();
        PairLoss pairs = parts.get(0).preference() == null ? null : new PairLoss(pass, model, rope);
        Tensor reference = pairs == null ? null : pairs.reference(batch);
        RowAdapters adapters = adapters(batch, parts);
        LayerForward forward = forward(batch);
        List<Run> runs = new ArrayList<>();
        Tensor hidden = forward(forward, batch, parts, adapters, runs, steps);
        Tensor gradient =
                pass.arena().take(pass.dtype(), batch.tokens(), model.config().hiddenSize());
        List<LossHead.Targets> targets = targets(batch, parts);
        if (pairs == null) {
            OutputHead head = new OutputHead(pass, model, saved);
            new LossHead(pass, head).forwardBackward(hidden, batch, targets, gradient);
        } else {
            PreferenceLoss.Dpo preference = parts.get(0).preference();
            pairs.forwardBackward(hidden, batch, targets.get(0), preference, reference, gradient);
        }
        // a base is sharded where memory is short
        boolean holds = model.shards() == null;
        LayerBackward backward = new LayerBackward(forward, batch.sequences(), recompute, holds, saved);
        backward(backward, runs, gradient, parts.get(0).adapter(), batch, steps);
        pass.arena().release(mark);
    }

    private static RowAdapters adapters(Batch batch, List<BatchPart> parts) {
        List<RowAdapters.Rows> rows = new ArrayList<>();
        long from = 0;
        for (int i = 0; i < parts.size(); i++) {
            BatchPart part = parts.get(i);
            long to = from + part.rows().tokens();
            rows.add(new RowAdapters.Rows(from, to, part.adapter(), batch.masks(i, part.draw())));
            from = to;
        }
        return new RowAdapters(rows);
    }

    private static List<LossHead.Targets> targets(Batch batch, List<BatchPart> parts) {
        List<LossHead.Targets> targets = new ArrayList<>();
        long from = 0;
        for (int i = 0; i < parts.size(); i++) {
            BatchPart part = parts.get(i);
            long to = from + part.rows().targetRows().length;
            targets.add(new LossHead.Targets(
                    from,
                    to,
                    part.adapter().lmHead(),
                    batch.masks(i, part.draw()),
                    part.labelSmoothing(),
                    part.gradientScale(),
                    part.lossSum()));
            from = to;
        }
        return targets;
    }

    /** Adds the losses alone, without dropout. */
    public static void evaluate(ModelForward forward, HostBatch host, Tensor lossSum) {
        evaluate(forward, host, lossSum, LayerSteps.NOBODY);
    }

    /**
     * The same, for somebody who does something before a layer is read.
     *
     * @param steps told what is told by {@link LayerSteps#walkUp}
     */
    public static void evaluate(ModelForward forward, HostBatch host, Tensor lossSum, LayerSteps steps) {
        Pass pass = forward.pass();
        long mark = pass.arena().mark();
        Batch batch = Batch.upload(pass, forward.rope(), host);
        Tensor hidden = forward.hidden(batch, steps);
        LoraGroup lora = forward.adapter() == null ? null : forward.adapter().lmHead();
        new LossHead(pass, new OutputHead(pass, forward.model(), null)).forward(hidden, batch, lora, lossSum);
        pass.arena().release(mark);
    }

    /**
     * Adds what pairs come to alone, without dropout.
     *
     * @param sums F64 [1, {@link PreferenceLoss#NUMBERS}]
     */
    public static void evaluatePairs(ModelForward forward, HostBatch host, PreferenceLoss.Dpo preference, Tensor sums) {
        Pass pass = forward.pass();
        long mark = pass.arena().mark();
        Batch batch = Batch.uploadPairs(pass, forward.rope(), host);
        PairLoss pairs = new PairLoss(pass, forward.model(), forward.rope());
        Tensor reference = pairs.reference(batch);
        Tensor hidden = forward.hidden(batch);
        pairs.forward(hidden, batch, PairLoss.all(batch, forward.adapter(), sums), preference, reference);
        pass.arena().release(mark);
    }

    private LayerForward forward(Batch batch) {
        AttentionCall call = ModelForward.attention(pass, model.config(), batch.sequences());
        return new LayerForward(pass, model.config(), rope, batch.ropeRows(), call);
    }

    private Tensor forward(
            LayerForward forward,
            Batch batch,
            List<BatchPart> parts,
            RowAdapters adapters,
            List<Run> runs,
            LayerSteps steps) {
        long tokens = batch.tokens();
        Tensor hidden = ModelForward.embed(pass, model, batch.inputIds());
        batch.addNoise(pass, parts, hidden);
        Shapes widest = ModelForward.widest(model, adapters, tokens);
        LayerActivations shared = LayerActivations.shared(pass, model.config(), widest, recompute);
        for (DecoderLayer layer : model.layers()) {
            RowAdapters.Layer lora = adapters.layer(layer.index());
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

    private void backward(
            LayerBackward backward,
            List<Run> runs,
            Tensor gradient,
            ModelAdapter adapter,
            Batch batch,
            LayerSteps steps) {
        int lowest = adapter.lowestLayer();
        boolean through = adapter.throughLowestLayer();
        for (int i = runs.size() - 1; i >= lowest; i--) {
            Run run = runs.get(i);
            steps.before(i);
            boolean there = i == runs.size() - 1;
            boolean inputGradient = i > lowest || through;
            backward.run(run.layer(), run.lora(), run.input(), run.activations(), gradient, inputGradient, there);
            if (i == 0 && adapter.saved().embedding() != null) {
                addEmbeddingGradient(adapter.saved().embedding(), gradient, batch);
            }
            steps.afterBackward(i);
        }
    }

    private void addEmbeddingGradient(SavedWeight embedding, Tensor gradient, Batch batch) {
        float scale = ModelForward.embeddingScale(model.config(), pass.dtype());
        pass.ops().rowSelect().scatterAdd(gradient, batch.inputIds(), batch.tokenOrder(), scale, embedding.gradient());
    }
}
