// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.PackedRow;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.Row;

/** Rows of token_shards as the engine takes them. */
public final class PackedRows {

    /** Rows that are in the host's memory at once. */
    private static final int EVALUATED = 64;

    private PackedRows() {}

    /** The packed row of a row with row_index, sequence_lengths, input_ids and labels. */
    public static PackedRow of(Row row) {
        return new PackedRow(
                row.<Long>getAs("row_index"),
                ints(row, "input_ids"),
                ints(row, "labels"),
                ints(row, "sequence_lengths"));
    }

    /** The next of them, as many as one evaluation takes. */
    public static List<PackedRow> next(Iterator<Row> rows) {
        List<PackedRow> batch = new ArrayList<>();
        while (rows.hasNext() && batch.size() < EVALUATED) {
            batch.add(of(rows.next()));
        }
        return batch;
    }

    private static int[] ints(Row row, String column) {
        List<Integer> values = row.getList(row.fieldIndex(column));
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
