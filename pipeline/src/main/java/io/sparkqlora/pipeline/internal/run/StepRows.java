// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.train.PackedRow;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.Row;

/** Cuts a rank's rows of a chunk, sorted by place, into steps and those into micro-batches. */
final class StepRows {

    private final RunSpec run;
    private final RankPlan plan;
    private final int rank;
    private final Iterator<Row> rows;

    /**
     * @param rows columns place, row_index, sequence_lengths, input_ids, labels; the rank's, from the chunk's first place on
     */
    StepRows(ChunkSpec chunk, int rank, Iterator<Row> rows) {
        this.run = chunk.run();
        this.plan = RankPlan.of(chunk.run());
        this.rank = rank;
        this.rows = rows;
    }

    /** The rank's micro-batches of the next step; there may be none. */
    List<List<PackedRow>> next(long step) {
        List<List<PackedRow>> batches = new ArrayList<>();
        for (int batch = rank; batch < plan.batchesOf(step); batch += plan.ranks()) {
            batches.add(rows(plan.firstPlace(step, batch), plan.firstPlace(step, batch + 1)));
        }
        return batches;
    }

    private List<PackedRow> rows(long from, long to) {
        List<PackedRow> batch = new ArrayList<>();
        for (long place = from; place < to; place++) {
            batch.add(row(place));
        }
        return batch;
    }

    private PackedRow row(long place) {
        Row row = rows.hasNext() ? rows.next() : null;
        if (row == null || row.<Long>getAs("place") != place) {
            throw PipelineErrors.rowsMissing(run.datasetId(), place);
        }
        return PackedRows.of(row);
    }
}
