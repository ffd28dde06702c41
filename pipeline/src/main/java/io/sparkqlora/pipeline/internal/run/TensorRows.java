// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Tensors as columns {@code name, dtype, shape, data} of a row. */
public final class TensorRows {

    private TensorRows() {}

    /**
     * All rows, by name: one partition's at a time comes to the driver, since what a task may give it at once
     * ({@code spark.driver.maxResultSize}) is less than modules have that are trained whole.
     */
    public static List<Row> collect(Dataset<Row> rows) {
        List<Row> all = new ArrayList<>();
        rows.toLocalIterator().forEachRemaining(all::add);
        all.sort(Comparator.comparing(row -> row.<String>getAs("name")));
        return all;
    }

    /** The tensor of a row that has these columns. */
    public static NamedTensor tensor(Row row) {
        List<Long> dimensions = row.getList(row.fieldIndex("shape"));
        return new NamedTensor(
                row.getAs("name"),
                DType.valueOf(row.getAs("dtype")),
                dimensions.stream().mapToLong(Long::longValue).toArray(),
                row.getAs("data"));
    }
}
