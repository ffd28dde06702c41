// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.train.PackedRow;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.Row;

/** Cuts a chunk's rows, sorted by place, into steps and those into micro-batches. */
final class StepRows {

    private final RunSpec run;
    private final int batchSize;
    private final Iterator<Row> rows;
    private long place;

    /**
     * @param rows columns place, row_index, sequence_lengths, input_ids, labels; from the chunk's first place on
     */
    StepRows(ChunkSpec chunk, int batchSize, Iterator<Row> rows) {
        this.run = chunk.run();
        this.batchSize = batchSize;
        this.rows = rows;
        this.place = run.plan().firstPlace(chunk.startStep());
    }

    /** The micro-batches of the next step. */
    List<List<PackedRow>> next(long step) {
        List<List<PackedRow>> batches = new ArrayList<>();
        List<PackedRow> batch = new ArrayList<>();
        for (int i = 0; i < run.plan().rowsOf(step); i++) {
            if (batch.size() == batchSize) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            batch.add(row());
        }
        batches.add(batch);
        return batches;
    }

    private PackedRow row() {
        Row row = rows.hasNext() ? rows.next() : null;
        if (row == null || row.<Long>getAs("place") != place) {
            throw PipelineErrors.rowsMissing(run.datasetId(), place);
        }
        place++;
        return PackedRows.of(row);
    }
}
