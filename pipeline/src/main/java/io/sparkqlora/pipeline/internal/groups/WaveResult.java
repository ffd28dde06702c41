// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.concat;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructField;

/** What a wave gave: how each group ended, on the driver; metrics and adapters still on the executors. */
final class WaveResult {

    private static final Set<String> ENDS = Set.of(WaveRows.DONE, WaveRows.FAILED, WaveRows.TASK_FAILED);

    private final JobTables tables;
    private final String runId;
    private final int wave;
    private final JavaRDD<Row> rows;
    private final List<Row> ends;

    WaveResult(JobTables tables, String runId, int wave, JavaRDD<Row> rows) {
        this.tables = tables;
        this.runId = runId;
        this.wave = wave;
        this.rows = rows;
        this.ends = rows.filter(row -> ENDS.contains(row.getString(0))).collect();
    }

    /** How groups ended: rows of {@link WaveRows} of kind done or failed. */
    List<Row> ends() {
        return ends.stream()
                .filter(row -> !row.getString(0).equals(WaveRows.TASK_FAILED))
                .toList();
    }

    /** Whether a group failed. */
    boolean someFailed() {
        return ends.stream().anyMatch(row -> row.getString(0).equals(WaveRows.FAILED));
    }

    /** Why a task ended early, before all its groups had ended. */
    Optional<QLoraException> failure() {
        return ends.stream()
                .filter(row -> row.getString(0).equals(WaveRows.TASK_FAILED))
                .findFirst()
                .map(WaveRows::error);
    }

    /** Commits metrics and adapters of the groups that are done; dropped if this wave's were committed before. */
    void commit() {
        Set<String> done = ends.stream()
                .filter(row -> row.getString(0).equals(WaveRows.DONE))
                .map(row -> row.<String>getAs("group_key"))
                .collect(Collectors.toCollection(HashSet::new));
        if (done.isEmpty()) {
            return;
        }
        append(Table.METRICS, withNulls(of(WaveRows.METRIC, done)));
        append(
                Table.ADAPTERS,
                of(WaveRows.ADAPTER, done)
                        .withColumn(
                                "adapter_id",
                                concat(
                                        lit(runId + "/"),
                                        col("group_key"),
                                        lit("@"),
                                        col("step").cast("string"))));
    }

    /** Groups don't learn from preferences: such columns of metrics are null. */
    private static Dataset<Row> withNulls(Dataset<Row> metrics) {
        Dataset<Row> all = metrics;
        for (StructField field : Table.METRICS.schema().fields()) {
            if (!List.of(metrics.columns()).contains(field.name())) {
                all = all.withColumn(field.name(), lit(null).cast(field.dataType()));
            }
        }
        return all;
    }

    private void append(Table table, Dataset<Row> part) {
        tables.append(table, part, "spark-qlora:" + runId + ":" + table.folder(), wave);
    }

    /** A group that failed, or was not brought to its end, leaves nothing. */
    private Dataset<Row> of(String kind, Set<String> done) {
        return tables.spark()
                .createDataFrame(rows.filter(row -> isOf(row, kind, done)), WaveRows.SCHEMA)
                .withColumn("run_id", lit(runId))
                .withColumn("chunk", lit((long) wave));
    }

    private static boolean isOf(Row row, String kind, Set<String> groups) {
        return row.getString(0).equals(kind) && groups.contains(row.<String>getAs("group_key"));
    }
}
