// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import java.util.List;
import org.apache.spark.sql.Row;

/** Tensors as columns {@code name, dtype, shape, data} of a row. */
public final class TensorRows {

    private TensorRows() {}

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
