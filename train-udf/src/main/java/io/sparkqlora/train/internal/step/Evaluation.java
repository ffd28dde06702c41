// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceSum;
import io.sparkqlora.train.internal.model.HostBatch;
import io.sparkqlora.train.internal.model.MicroBatch;
import io.sparkqlora.train.internal.model.ModelForward;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;

/** The loss over rows, without dropout, as many at a time as fit. */
record Evaluation(SessionSpec spec, ModelForward forward) {

    private static final Runnable NOTHING = () -> {};

    LossSum run(List<PackedRow> rows) {
        double loss = sums(batches(rows), 1, (batch, sums) -> MicroBatch.evaluate(forward, batch, sums), NOTHING)
                .get(0);
        return new LossSum(loss, HostBatch.countTargets(rows));
    }

    /**
     * The losses over all ranks' rows, added in the order of the ranks.
     *
     * @param gathers of a base in parts: a rank with fewer batches takes part in those of the others. Null where the base is whole
     */
    LossSum run(List<PackedRow> rows, LayerGathers gathers, Collective collective) {
        LossSum own = gathers == null ? run(rows) : gathered(rows, gathers, collective);
        LossSum all = LossSum.ZERO;
        for (long[] rank : collective.allGather(Double.doubleToRawLongBits(own.sum()), own.numTargetTokens())) {
            all = all.plus(new LossSum(Double.longBitsToDouble(rank[0]), rank[1]));
        }
        return all;
    }

    private LossSum gathered(List<PackedRow> rows, LayerGathers gathers, Collective collective) {
        List<HostBatch> batches = batches(rows);
        int rounds = (int) Arrays.stream(collective.allGather(batches.size()))
                .mapToLong(rank -> rank[0])
                .max()
                .orElseThrow();
        LayerGathers.OfStep gathering = gathers.beginForward(collective, rounds);
        Runnable issued = () -> {
            for (int round = batches.size(); round < rounds; round++) {
                gathers.walkUp(gathering);
            }
            gathering.finish();
        };
        double loss = sums(batches, 1, (batch, sums) -> MicroBatch.evaluate(forward, batch, sums, gathering), issued)
                .get(0);
        return new LossSum(loss, HostBatch.countTargets(rows));
    }

    PreferenceSum runPairs(List<PackedRow> rows) {
        List<Double> sums = sums(
                batches(rows),
                spec.losses(),
                (batch, pairs) -> MicroBatch.evaluatePairs(forward, batch, spec.preference(), pairs),
                NOTHING);
        long sequences =
                rows.stream().mapToLong(row -> row.sequenceLengths().length).sum();
        return new PreferenceSum(sums, sequences / 2);
    }

    /** @param issued runs before the host waits for the device */
    private List<Double> sums(List<HostBatch> batches, int losses, BiConsumer<HostBatch, Tensor> add, Runnable issued) {
        forward.pass().arena().release(0);
        StepSums sums = StepSums.take(forward.pass().arena(), 1, losses);
        sums.clear(forward.pass().device());
        batches.forEach(batch -> add.accept(batch, sums.of(0).loss()));
        issued.run();
        List<Double> values = sums.read(forward.pass().device()).get(0).losses();
        forward.pass().arena().release(0);
        return values;
    }

    private List<HostBatch> batches(List<PackedRow> rows) {
        List<HostBatch> batches = new ArrayList<>();
        List<PackedRow> pending = new ArrayList<>();
        long tokens = 0;
        for (PackedRow row : rows) {
            if (!pending.isEmpty() && tokens + row.numTokens() > spec.maxTokens()) {
                batches.add(layOut(pending));
                pending.clear();
                tokens = 0;
            }
            pending.add(row);
            tokens += row.numTokens();
        }
        if (!pending.isEmpty()) {
            batches.add(layOut(pending));
        }
        return batches;
    }

    private HostBatch layOut(List<PackedRow> rows) {
        return spec.layOut("row " + rows.get(0).rowIndex(), rows);
    }
}
