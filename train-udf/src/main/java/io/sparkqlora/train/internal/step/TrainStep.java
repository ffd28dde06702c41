// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import java.util.ArrayList;
import java.util.List;

/**
 * The optimizer step over a session's buffers, and evaluation.
 *
 * @param spec what the session holds
 * @param pass on the session's device, with its arena
 */
public record TrainStep(SessionSpec spec, SessionBuffers session, Pass pass, TrainingArguments arguments) {

    private static final double NANOS = 1e9;

    /**
     * One optimizer step.
     *
     * @param stepsDone updates made before
     * @throws io.sparkqlora.kernels.QLoraException DIVERGED before anything has changed
     */
    public StepMetrics run(long stepsDone, List<List<PackedRow>> microBatches) {
        long begin = System.nanoTime();
        pass.arena().release(0); // whatever a failed step left there
        if (arguments.maxSteps() < 1) {
            throw TrainErrors.stepsUnknown();
        }
        List<HostBatch> batches = layOut(microBatches);
        long tokens = batches.stream().mapToLong(HostBatch::tokens).sum();
        long targets = batches.stream().mapToLong(b -> b.targetRows().length).sum();
        if (targets == 0) {
            throw TrainErrors.nothingCounts(stepsDone + 1, tokens);
        }
        double loss = accumulate(stepsDone, batches, targets) / targets;
        double learningRate = LearningRate.of(arguments).at(stepsDone);
        float gradNorm = update(stepsDone, loss, learningRate);
        double seconds = (System.nanoTime() - begin) / NANOS;
        return new StepMetrics(stepsDone + 1, loss, learningRate, gradNorm, tokens, targets, seconds);
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

    /** Fills the gradients with those of the mean loss over all counted tokens; returns the losses' sum. */
    private double accumulate(long stepsDone, List<HostBatch> batches, long targets) {
        MicroBatch micro = new MicroBatch(pass, session.model(), session.adapter(), session.rope(), spec.recompute());
        float p = (float) spec.lora().loraDropout();
        pass.ops().elementwise().zero(session.buffers().gradients());
        double sum = 0;
        for (int i = 0; i < batches.size(); i++) {
            DropoutMasks masks = p > 0 ? new DropoutMasks(p, arguments.seed(), stepsDone, i) : null;
            sum += micro.run(batches.get(i), masks, 1f / targets);
        }
        return sum;
    }

    private float update(long stepsDone, double loss, double learningRate) {
        long mark = pass.arena().mark();
        OptimizerStep optimizer = OptimizerStep.take(pass.arena());
        float norm = optimizer.gradNorm(pass.device(), session.buffers(), arguments.maxGradNorm());
        if (!Double.isFinite(loss) || !Float.isFinite(norm)) {
            pass.arena().release(mark);
            throw TrainErrors.diverged(stepsDone + 1, loss, norm, learningRate);
        }
        optimizer.update(pass.device(), session.buffers(), arguments, learningRate, stepsDone + 1);
        pass.arena().release(mark);
        return norm;
    }

    /** The loss over rows, without dropout, as many at a time as fit. */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter) {
        pass.arena().release(0);
        ModelForward forward =
                new ModelForward(pass, session.model(), withAdapter ? session.adapter() : null, session.rope());
        LossSum sum = LossSum.ZERO;
        List<PackedRow> pending = new ArrayList<>();
        long tokens = 0;
        for (PackedRow row : rows) {
            if (!pending.isEmpty() && tokens + row.numTokens() > spec.maxTokens()) {
                sum = sum.plus(evaluate(forward, pending));
                pending.clear();
                tokens = 0;
            }
            pending.add(row);
            tokens += row.numTokens();
        }
        return pending.isEmpty() ? sum : sum.plus(evaluate(forward, pending));
    }

    private LossSum evaluate(ModelForward forward, List<PackedRow> rows) {
        HostBatch batch = layOut("row " + rows.get(0).rowIndex(), rows);
        return new LossSum(MicroBatch.evaluate(forward, batch), batch.targetRows().length);
    }
}
