// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.BatchOrder;
import org.apache.spark.sql.api.java.UDF1;

/**
 * The data order as a function that queries can call: place → row index.
 *
 * @param seed of the run
 * @param rows packed rows of the data set
 */
record DataOrder(long seed, long rows) implements UDF1<Long, Long> {

    @Override
    public Long call(Long place) {
        return BatchOrder.rowIndex(seed, place / rows, rows, place % rows);
    }
}
