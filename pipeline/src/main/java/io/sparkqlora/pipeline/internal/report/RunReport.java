// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import java.util.List;
import org.apache.spark.sql.Row;

/** A place beside the tables that is told what a run measured. It hears of what is committed, so that it never knows more. */
public interface RunReport {

    /** Whether it was told of a chunk. */
    boolean has(long chunk);

    /** Tells it of a chunk: rows with the columns of metrics. */
    void tell(long chunk, List<Row> metrics);

    /** Tells it that the run has ended for now, in MLflow's words: FINISHED, FAILED or KILLED. */
    default void ended(String status) {}
}
