// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.run.PackedRows;
import java.io.File;
import java.util.Iterator;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;

/** Takes one group after the other out of a task's rows, which come in the order of groups and of {@code row_index}. */
final class GroupFeed {

    private final String datasetId;
    private final Iterator<Row> rows;
    private final Supplier<File> files;
    private Row pending;

    /**
     * @param rows columns group_key, row_index, sequence_lengths, input_ids, labels
     * @param files gives a new file each time
     */
    GroupFeed(String datasetId, Iterator<Row> rows, Supplier<File> files) {
        this.datasetId = datasetId;
        this.rows = rows;
        this.files = files;
    }

    /**
     * The rows of the next group.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFLICT if one is missing
     */
    SpooledRows rowsOf(GroupWork group) {
        SpooledRows spooled = SpooledRows.create(files.get(), group.rows());
        try {
            for (long i = 0; i < group.rows(); i++) {
                spooled.add(PackedRows.of(next(group, group.firstRow() + i)));
            }
            if (peek() != null && peek().getAs("group_key").equals(group.key())) {
                throw PipelineErrors.rowsMissing(datasetId, group.firstRow() + group.rows());
            }
            return spooled;
        } catch (RuntimeException e) {
            spooled.close();
            throw e;
        }
    }

    private Row next(GroupWork group, long rowIndex) {
        Row row = peek();
        if (row == null || !row.getAs("group_key").equals(group.key()) || row.<Long>getAs("row_index") != rowIndex) {
            throw PipelineErrors.rowsMissing(datasetId, rowIndex);
        }
        pending = null;
        return row;
    }

    private Row peek() {
        if (pending == null && rows.hasNext()) {
            pending = rows.next();
        }
        return pending;
    }
}
