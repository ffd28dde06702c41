// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceSum;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;

/** The loss over rows, without dropout, as many at a time as fit. */
record Evaluation(SessionSpec spec, ModelForward forward) {

    LossSum run(List<PackedRow> rows) {
        double loss = sums(rows, 1, (batch, sums) -> MicroBatch.evaluate(forward, batch, sums))
                .get(0);
        return new LossSum(loss, HostBatch.countTargets(rows));
    }

    PreferenceSum runPairs(List<PackedRow> rows) {
        List<Double> sums = sums(
                rows,
                spec.losses(),
                (batch, pairs) -> MicroBatch.evaluatePairs(forward, batch, spec.preference(), pairs));
        long sequences =
                rows.stream().mapToLong(row -> row.sequenceLengths().length).sum();
        return new PreferenceSum(sums, sequences / 2);
    }

    private List<Double> sums(List<PackedRow> rows, int losses, BiConsumer<HostBatch, Tensor> add) {
        forward.pass().arena().release(0);
        StepSums sums = StepSums.take(forward.pass().arena(), 1, losses);
        sums.clear(forward.pass().device());
        List<PackedRow> pending = new ArrayList<>();
        long tokens = 0;
        for (PackedRow row : rows) {
            if (!pending.isEmpty() && tokens + row.numTokens() > spec.maxTokens()) {
                add.accept(layOut(pending), sums.of(0).loss());
                pending.clear();
                tokens = 0;
            }
            pending.add(row);
            tokens += row.numTokens();
        }
        if (!pending.isEmpty()) {
            add.accept(layOut(pending), sums.of(0).loss());
        }
        List<Double> values = sums.read(forward.pass().device()).get(0).losses();
        forward.pass().arena().release(0);
        return values;
    }

    private HostBatch layOut(List<PackedRow> rows) {
        return spec.layOut("row " + rows.get(0).rowIndex(), rows);
    }
}
