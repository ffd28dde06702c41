// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.run.PackedRows;
import java.io.File;
import java.util.Iterator;
import java.util.function.Supplier;
import org.apache.spark.sql.Row;

/**
 * Takes one group after the other out of a task's rows, which come in the order of groups, of each those that it is trained on and
 * then those that are held out, in the order of {@code row_index}.
 */
final class GroupFeed {

    /** The column that says which of the two a row is. */
    static final String HELD_OUT = "held_out";

    private final GroupRunSpec run;
    private final Iterator<Row> rows;
    private final Supplier<File> files;
    private Row pending;

    /**
     * @param rows columns group_key, held_out, row_index, sequence_lengths, input_ids, labels
     * @param files gives a new file each time
     */
    GroupFeed(GroupRunSpec run, Iterator<Row> rows, Supplier<File> files) {
        this.run = run;
        this.rows = rows;
        this.files = files;
    }

    /**
     * The rows of the next group.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFLICT if one is missing
     */
    SpooledRows rowsOf(GroupWork group) {
        return new Part(run.datasetId(), group.key(), false).spool(group.firstRow(), group.rows());
    }

    /**
     * What is held out of the group whose rows were asked for; maybe none.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFLICT if a row is missing
     */
    SpooledRows heldOutOf(GroupWork group) {
        return new Part(run.evaluation().datasetId(), group.key(), true).spool(group.firstHeldOut(), group.heldOut());
    }

    private Row peek() {
        if (pending == null && rows.hasNext()) {
            pending = rows.next();
        }
        return pending;
    }

    /** Rows of a group that follow one another. */
    private final class Part {

        private final String datasetId;
        private final String key;
        private final boolean heldOut;

        Part(String datasetId, String key, boolean heldOut) {
            this.datasetId = datasetId;
            this.key = key;
            this.heldOut = heldOut;
        }

        SpooledRows spool(long first, long count) {
            SpooledRows spooled = SpooledRows.create(files.get(), count);
            try {
                for (long i = 0; i < count; i++) {
                    spooled.add(PackedRows.of(next(first + i)));
                }
                if (isNext()) {
                    throw PipelineErrors.rowsMissing(datasetId, first + count);
                }
                return spooled;
            } catch (RuntimeException e) {
                spooled.close();
                throw e;
            }
        }

        private Row next(long rowIndex) {
            if (!isNext() || peek().<Long>getAs("row_index") != rowIndex) {
                throw PipelineErrors.rowsMissing(datasetId, rowIndex);
            }
            Row row = pending;
            pending = null;
            return row;
        }

        private boolean isNext() {
            Row row = peek();
            return row != null && row.getAs("group_key").equals(key) && row.<Boolean>getAs(HELD_OUT) == heldOut;
        }
    }
}
