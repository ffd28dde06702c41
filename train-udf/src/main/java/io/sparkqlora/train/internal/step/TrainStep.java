// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceSum;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.Recordings;
import java.util.List;

/**
 * The optimizer step over a session's buffers, and evaluation.
 *
 * @param spec what the session holds
 * @param pass on the session's device, with its arena
 * @param pages for moments that are kept in the host's memory; null if they are not
 * @param recordings of micro-batches; the step's to close
 * @param exchange with other ranks; the step's to close
 * @param gathers of a sharded base's layers; null where the base is whole
 * @param thread that talks to other ranks meanwhile; the step's to close
 */
public record TrainStep(
        SessionSpec spec,
        SessionBuffers session,
        Pass pass,
        PageQueue pages,
        TrainingArguments arguments,
        Recordings recordings,
        GradientExchange exchange,
        LayerGathers gathers,
        RingThread thread)
        implements AutoCloseable {

    private static final double NANOS = 1e9;

    /**
     * One optimizer step.
     *
     * @param stepsDone updates made before
     * @param microBatches of this rank
     * @param collective of all ranks
     * @throws io.sparkqlora.kernels.QLoraException DIVERGED before anything has changed
     */
    public StepMetrics run(long stepsDone, List<List<PackedRow>> microBatches, Collective collective) {
        long begin = System.nanoTime();
        pass.arena().release(0); // whatever a failed step left there
        thread.settle();
        if (arguments.maxSteps() < 1) {
            throw TrainErrors.stepsUnknown();
        }
        collective.begin(stepsDone + 1);
        List<HostBatch> batches = microBatches.stream()
                .map(rows -> spec.layOut("a micro-batch", rows))
                .toList();
        TokenCounts counts = TokenCounts.of(batches).ofAll(collective);
        long targets = counts.targets();
        if (targets == 0) {
            throw TrainErrors.nothingCounts(stepsDone + 1, counts.tokens());
        }
        StepSums sums = StepSums.take(pass.arena(), 1, spec.losses());
        sums.clear(pass.device());
        Tensor lossSum = sums.of(0).loss();
        GradientExchange.OfStep ranks = exchange.begin(collective);
        accumulate(stepsDone, batches, collective, counts, lossSum, ranks);
        ranks.finish(lossSum, pass.arena());
        long terms = spec.preference() == null ? targets : counts.pairs();
        LossScaler scaler = session.slot().scaler();
        Double lossScale = scaler.reported();
        double learningRate = LearningRate.of(arguments).at(scaler.updates(stepsDone));
        StepSums.Values values = update(stepsDone, sums, terms, learningRate);
        pass.arena().release(0);
        double seconds = (System.nanoTime() - begin) / NANOS;
        return new StepMetrics(
                stepsDone + 1,
                values.loss() / terms,
                learningRate,
                values.gradNorm(),
                counts.tokens(),
                targets,
                seconds,
                spec.preference() == null ? null : new PreferenceSum(values.losses(), terms).metrics(),
                lossScale);
    }

    /** Fills the gradients with this rank's part of those of the mean loss over all counted tokens; adds the losses. */
    private void accumulate(
            long stepsDone,
            List<HostBatch> batches,
            Collective collective,
            TokenCounts counts,
            Tensor lossSum,
            GradientExchange.OfStep ranks) {
        MicroBatch micro = new MicroBatch(pass, session.model(), session.rope(), spec.recompute(), recordings);
        double p = spec.lora().loraDropout();
        pass.ops().elementwise().zero(session.slot().buffers().gradients());
        ModelAdapter adapter = session.slot().views();
        float scale = session.slot().scaler().scale();
        Accumulation all =
                new Accumulation(micro, adapter, scale, collective, arguments, p, stepsDone, counts, lossSum, ranks);
        boolean overlapped = exchange.overlaps(collective);
        if (gathers == null) {
            all.run(batches, overlapped);
        } else {
            all.run(batches, gathers, overlapped);
        }
    }

    /** Here the host waits for the device, once a step: whether all is finite is known before anything changes. */
    private StepSums.Values update(long stepsDone, StepSums sums, long terms, double learningRate) {
        AdapterSlot slot = session.slot();
        OptimizerStep optimizer = OptimizerStep.take(pass.arena(), sums.of(0), slot.moments(), pages);
        slot.scaler().unscale(pass.device(), slot.buffers().gradients());
        OptimizerStep.norm(pass.device(), slot.buffers(), arguments.maxGradNorm(), sums.of(0));
        optimizer.prefetch();
        StepSums.Values values = sums.read(pass.device()).get(0);
        if (slot.scaler().skips(values)) {
            optimizer.abandon();
            slot.scaler().skip(stepsDone + 1, values.loss() / terms, learningRate);
            return values;
        }
        if (!values.finite()) {
            optimizer.abandon();
            throw TrainErrors.diverged(stepsDone + 1, values.loss() / terms, values.gradNorm(), learningRate);
        }
        long update = slot.scaler().updates(stepsDone) + 1;
        optimizer.update(pass.device(), slot.buffers(), arguments, learningRate, update);
        slot.scaler().update();
        slot.buffers().measure(pass, session.model().groups(), false);
        return values;
    }

    /** The loss over rows, without dropout, as many at a time as fit. */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter) {
        return evaluation(withAdapter).run(rows);
    }

    /** The same over the rows of all ranks, which may have the base in parts between them. */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter, Collective collective) {
        thread.settle();
        return evaluation(withAdapter).run(rows, gathers, collective);
    }

    private Evaluation evaluation(boolean withAdapter) {
        ModelAdapter adapter = withAdapter ? session.slot().views() : null;
        return new Evaluation(spec, new ModelForward(pass, session.model(), adapter, session.rope()));
    }

    /** What pairs come to, without dropout, as many at a time as fit. */
    public PreferenceSum evaluatePairs(List<PackedRow> rows) {
        return evaluation(true).runPairs(rows);
    }

    /** After a step of several ranks that failed: nobody knows what is under way between their devices, so they part. */
    public void leave() {
        exchange.close();
    }

    @Override
    public void close() {
        thread.close();
        exchange.close();
        recordings.close();
    }
}
