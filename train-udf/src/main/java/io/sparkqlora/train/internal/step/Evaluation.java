// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import java.util.ArrayList;
import java.util.List;

/** The loss over rows, without dropout, as many at a time as fit. */
record Evaluation(SessionSpec spec, ModelForward forward) {

    LossSum run(List<PackedRow> rows) {
        forward.pass().arena().release(0);
        StepSums sums = StepSums.take(forward.pass().arena(), 1);
        sums.clear(forward.pass().device());
        long targets = 0;
        List<PackedRow> pending = new ArrayList<>();
        long tokens = 0;
        for (PackedRow row : rows) {
            if (!pending.isEmpty() && tokens + row.numTokens() > spec.maxTokens()) {
                targets += add(pending, sums.of(0).loss());
                pending.clear();
                tokens = 0;
            }
            pending.add(row);
            tokens += row.numTokens();
        }
        targets += pending.isEmpty() ? 0 : add(pending, sums.of(0).loss());
        double loss = sums.read(forward.pass().device()).get(0).loss();
        forward.pass().arena().release(0);
        return new LossSum(loss, targets);
    }

    private long add(List<PackedRow> rows, Tensor lossSum) {
        HostBatch batch = spec.layOut("row " + rows.get(0).rowIndex(), rows);
        MicroBatch.evaluate(forward, batch, lossSum);
        return batch.targetRows().length;
    }
}
