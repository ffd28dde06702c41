// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.model.BatchPart;
import io.sparkqlora.train.internal.model.HostBatch;
import java.util.List;

/**
 * One adapter's part of a step of several.
 *
 * @param slot where the adapter is
 * @param arguments of its optimizer
 * @param stepsDone updates made before
 * @param batches its micro-batches
 * @param counts of all of them
 */
record AdapterTurn(int slot, TrainingArguments arguments, long stepsDone, List<HostBatch> batches, TokenCounts counts) {

    /**
     * Lays its rows out.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if no token counts or one is outside the vocabulary; CONFIG if a
     *     micro-batch is too long or {@code max_steps} is not set
     */
    static AdapterTurn of(
            SessionSpec spec,
            int slot,
            TrainingArguments arguments,
            long stepsDone,
            List<List<PackedRow>> microBatches) {
        if (arguments.maxSteps() < 1) {
            throw TrainErrors.stepsUnknown();
        }
        List<HostBatch> batches = microBatches.stream()
                .map(rows -> spec.layOut("a micro-batch", rows))
                .toList();
        TokenCounts counts = TokenCounts.of(batches);
        if (counts.targets() == 0) {
            throw TrainErrors.nothingCounts(stepsDone + 1, counts.tokens());
        }
        return new AdapterTurn(slot, arguments, stepsDone, batches, counts);
    }

    /** Micro-batch {@code index} as it would be alone: its own random numbers, normalised by all that this adapter's step counts. */
    BatchPart part(int index, double dropout, AdapterSlot adapter, StepSums.Sums sums) {
        return new BatchPart(
                batches.get(index),
                adapter.views(),
                DropoutMasks.Draw.of(dropout, arguments, stepsDone, index),
                (float) arguments.labelSmoothingFactor(),
                adapter.scaler().scale() / counts.targets(),
                sums.loss());
    }

    double learningRate(LossScaler scaler) {
        return LearningRate.of(arguments).at(scaler.updates(stepsDone));
    }

    StepMetrics metrics(MixedStep.Made made, double seconds) {
        StepSums.Values values = made.values();
        return new StepMetrics(
                stepsDone + 1,
                values.loss() / counts.targets(),
                made.learningRate(),
                values.gradNorm(),
                counts.tokens(),
                counts.targets(),
                seconds,
                null,
                made.lossScale());
    }
}
