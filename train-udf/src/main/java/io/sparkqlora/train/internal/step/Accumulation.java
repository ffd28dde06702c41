// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.TrainingArguments;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.model.BatchPart;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.LayerSteps;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelAdapter;
import java.util.List;

/**
 * The micro-batches of a step on one rank.
 *
 * @param micro how one is run
 * @param adapter that is trained
 * @param lossScale factor on the loss
 * @param collective of all ranks
 * @param arguments whose seed random numbers have
 * @param dropout its probability
 * @param stepsDone updates made before
 * @param counts of all ranks
 * @param lossSum F64 [1], or of pairs what {@link PreferenceLoss} lists
 * @param ranks the exchange of this step's gradients
 */
record Accumulation(
        MicroBatch micro,
        ModelAdapter adapter,
        float lossScale,
        Collective collective,
        TrainingArguments arguments,
        double dropout,
        long stepsDone,
        TokenCounts counts,
        Tensor lossSum,
        GradientExchange.OfStep ranks) {

    /** Over a base that this rank has whole. */
    void run(List<HostBatch> batches, boolean overlapped) {
        for (int i = 0; i < batches.size(); i++) {
            if (i == batches.size() - 1 && overlapped) {
                run(batches, i, gradients());
            } else {
                micro.run(part(batches, i));
            }
        }
    }

    /**
     * Over a base of which this rank keeps a part: in the rounds in which others have a micro-batch and it has none, it gathers
     * with them. Gradients follow behind the last round's gathers, so that all ranks have both in the same order. Nothing is
     * recorded: a recording would have the gathers in it, and begin them without a word among the ranks.
     *
     * @param overlapped whether gradients are added up while backward goes on
     */
    void run(List<HostBatch> batches, LayerGathers gathers, boolean overlapped) {
        LayerGathers.OfStep gathering = gathers.begin(collective, counts.rounds());
        for (int i = 0; i < counts.rounds(); i++) {
            boolean last = i == counts.rounds() - 1;
            LayerSteps steps = last && overlapped ? both(gathering, gradients()) : gathering;
            if (i < batches.size()) {
                run(batches, i, steps);
            } else {
                gathers.walk(steps);
            }
        }
        gathering.finish();
    }

    private void run(List<HostBatch> batches, int number, LayerSteps steps) {
        micro.run(part(batches, number), steps);
    }

    private List<BatchPart> part(List<HostBatch> batches, int number) {
        PreferenceLoss.Dpo preference =
                arguments.preference() == null ? null : arguments.preference().dpo();
        return List.of(new BatchPart(
                batches.get(number),
                adapter,
                draw(number),
                (float) arguments.labelSmoothingFactor(),
                lossScale / (preference == null ? counts.targets() : counts.pairs()),
                preference,
                lossSum));
    }

    private LayerSteps gradients() {
        return new LayerSteps() {
            @Override
            public void afterBackward(int layer) {
                ranks.layerDone(layer);
            }
        };
    }

    private static LayerSteps both(LayerSteps gathering, LayerSteps gradients) {
        return new LayerSteps() {
            @Override
            public void before(int layer) {
                gathering.before(layer);
            }

            @Override
            public void afterBackward(int layer) {
                gradients.afterBackward(layer);
            }
        };
    }

    private DropoutMasks.Draw draw(int number) {
        int ofStep = number * collective.worldSize() + collective.rank();
        return DropoutMasks.Draw.of(dropout, arguments, stepsDone, ofStep);
    }
}
