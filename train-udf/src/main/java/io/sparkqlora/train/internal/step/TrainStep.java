// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.PageQueue;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.model.Recordings;
import java.util.ArrayList;
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
        List<HostBatch> batches = layOut(microBatches);
        TokenCounts counts = TokenCounts.of(batches).ofAll(collective);
        long targets = counts.targets();
        if (targets == 0) {
            throw TrainErrors.nothingCounts(stepsDone + 1, counts.tokens());
        }
        StepSums sums = StepSums.take(pass.arena());
        sums.clear(pass.device());
        GradientExchange.OfStep ranks = exchange.begin(collective);
        accumulate(stepsDone, batches, collective, counts, sums.loss(), ranks);
        ranks.finish(sums.loss(), pass.arena());
        double learningRate = LearningRate.of(arguments).at(stepsDone);
        StepSums.Values values = update(stepsDone, sums, targets, learningRate);
        pass.arena().release(0);
        double seconds = (System.nanoTime() - begin) / NANOS;
        return new StepMetrics(
                stepsDone + 1,
                values.loss() / targets,
                learningRate,
                values.gradNorm(),
                counts.tokens(),
                targets,
                seconds);
    }

    private List<HostBatch> layOut(List<List<PackedRow>> microBatches) {
        return microBatches.stream().map(rows -> layOut("a micro-batch", rows)).toList();
    }

    private HostBatch layOut(String what, List<PackedRow> rows) {
        HostBatch batch = HostBatch.of(rows, spec.model().vocabSize());
        if (batch.tokens() > spec.maxTokens()) {
            throw TrainErrors.tooManyTokens(what, batch.tokens(), spec.maxTokens());
        }
        return batch;
    }

    /** Fills the gradients with this rank's part of those of the mean loss over all counted tokens; adds the losses. */
    private void accumulate(
            long stepsDone,
            List<HostBatch> batches,
            Collective collective,
            TokenCounts counts,
            Tensor lossSum,
            GradientExchange.OfStep ranks) {
        MicroBatch micro =
                new MicroBatch(pass, session.model(), session.adapter(), session.rope(), spec.recompute(), recordings);
        float p = (float) spec.lora().loraDropout();
        pass.ops().elementwise().zero(session.buffers().gradients());
        Accumulation all = new Accumulation(micro, collective, arguments, p, stepsDone, counts, lossSum, ranks);
        if (gathers == null) {
            all.run(batches, exchange.overlaps(collective));
        } else {
            all.run(batches, gathers);
        }
    }

    /** Here the host waits for the device, once a step: whether all is finite is known before anything changes. */
    private StepSums.Values update(long stepsDone, StepSums sums, long targets, double learningRate) {
        OptimizerStep optimizer = OptimizerStep.take(pass.arena(), sums, session.moments(), pages);
        optimizer.clip(pass.device(), session.buffers(), arguments.maxGradNorm());
        StepSums.Values values = sums.read(pass.device());
        if (!Double.isFinite(values.loss()) || !Float.isFinite(values.gradNorm())) {
            optimizer.abandon();
            throw TrainErrors.diverged(stepsDone + 1, values.loss() / targets, values.gradNorm(), learningRate);
        }
        optimizer.update(pass.device(), session.buffers(), arguments, learningRate, stepsDone + 1);
        return values;
    }

    /** The loss over rows, without dropout, as many at a time as fit. */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter) {
        pass.arena().release(0);
        ModelForward forward =
                new ModelForward(pass, session.model(), withAdapter ? session.adapter() : null, session.rope());
        StepSums sums = StepSums.take(pass.arena());
        sums.clear(pass.device());
        long targets = 0;
        List<PackedRow> pending = new ArrayList<>();
        long tokens = 0;
        for (PackedRow row : rows) {
            if (!pending.isEmpty() && tokens + row.numTokens() > spec.maxTokens()) {
                targets += evaluate(forward, pending, sums.loss());
                pending.clear();
                tokens = 0;
            }
            pending.add(row);
            tokens += row.numTokens();
        }
        targets += pending.isEmpty() ? 0 : evaluate(forward, pending, sums.loss());
        double loss = sums.read(pass.device()).loss();
        pass.arena().release(0);
        return new LossSum(loss, targets);
    }

    private long evaluate(ModelForward forward, List<PackedRow> rows, Tensor lossSum) {
        HostBatch batch = layOut("row " + rows.get(0).rowIndex(), rows);
        MicroBatch.evaluate(forward, batch, lossSum);
        return batch.targetRows().length;
    }

    @Override
    public void close() {
        thread.close();
        exchange.close();
        recordings.close();
    }
}
