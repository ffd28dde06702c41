// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** Random token shards. */
final class TestShards {

    static final String ID = "d1";
    static final int LENGTH = 12;

    private TestShards() {}

    static TokenData write(JobTables tables, int rows) {
        return write(tables, ID, rows, 1);
    }

    /** As {@link #write(JobTables, int)}, other tokens under another name. */
    static TokenData write(JobTables tables, String id, int rows, long seed) {
        Random random = new Random(seed);
        List<Row> all = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            Integer[] ids = random.ints(LENGTH, 2, 250).boxed().toArray(Integer[]::new);
            Integer[] labels = ids.clone();
            labels[0] = -100;
            labels[5] = -100;
            all.add(RowFactory.create(
                    id, (long) i, LENGTH, LENGTH - 2, 2, null, null, new Integer[] {5, LENGTH - 5}, ids, labels, null));
        }
        tables.append(Table.TOKEN_SHARDS, TestSpark.session().createDataFrame(all, Table.TOKEN_SHARDS.schema()), id, 0);
        return new TokenData(
                id,
                "data.jsonl",
                "v1",
                "h1",
                rows,
                LENGTH,
                (long) LENGTH * rows,
                (LENGTH - 2L) * rows,
                0,
                List.of(),
                false);
    }
}
