// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import static org.apache.spark.sql.functions.current_timestamp;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.tables.Column;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.Set;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** What the answers to a table of prompts and to an evaluation's rows have in common. */
final class Predictions {

    private Predictions() {}

    /** The adapter on the device that there is, in place of {@code auto}. */
    static AdapterChoice onDevice(Workspace work, AdapterChoice choice) {
        return choice.withBackend(RunDevices.find(work.spark(), work.config()).backend());
    }

    /**
     * Appends answers to the table.
     *
     * @param dataset where the rows came from
     * @param answered columns of {@link Table#PREDICTIONS}; those that it lacks and the adapter doesn't say are null
     */
    static void append(Workspace work, AdapterChoice choice, String dataset, Dataset<Row> answered) {
        Dataset<Row> rows = answered.withColumn("run_id", lit(choice.source().runId()))
                .withColumn("adapter_id", lit(choice.adapterId()))
                .withColumn("step", lit(choice.source().step()))
                .withColumn("dataset", lit(dataset))
                .withColumn("group_key", lit(choice.group()))
                .withColumn("ts", current_timestamp());
        Set<String> given = Set.of(rows.columns());
        for (Column column : Table.PREDICTIONS.columns()) {
            if (!given.contains(column.name())) {
                rows = rows.withColumn(column.name(), lit(null).cast(column.type()));
            }
        }
        work.tables().append(Table.PREDICTIONS, rows);
    }
}
