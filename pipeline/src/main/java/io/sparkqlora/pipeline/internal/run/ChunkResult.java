// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.concat;
import static org.apache.spark.sql.functions.lit;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** What a chunk gave: small rows on the driver, tensors still on the executors. */
final class ChunkResult {

    private final JobTables tables;
    private final ChunkSpec chunk;
    private final JavaRDD<Row> rows;
    private final List<Row> metrics;
    private final Row failure;
    private final boolean stateMissing;

    ChunkResult(JobTables tables, ChunkSpec chunk, JavaRDD<Row> rows) {
        this.tables = tables;
        this.chunk = chunk;
        this.rows = rows;
        List<Row> small = rows.filter(row -> isSmall(row.getString(0))).collect();
        this.metrics = small.stream().filter(row -> is(row, ChunkRows.METRIC)).toList();
        this.stateMissing = small.stream().anyMatch(row -> is(row, ChunkRows.MISSING));
        // rank 0's, if it has one: the result is its work, up to the step that its failure names
        this.failure = small.stream()
                .filter(row -> is(row, ChunkRows.FAILURE))
                .min(Comparator.comparingInt(row -> row.<Integer>getAs("rank")))
                .orElse(null);
    }

    private static boolean isSmall(String kind) {
        return kind.equals(ChunkRows.METRIC) || kind.equals(ChunkRows.FAILURE) || kind.equals(ChunkRows.MISSING);
    }

    private static boolean is(Row row, String kind) {
        return row.getString(0).equals(kind);
    }

    /** Whether nothing was done, since the state was not in all ranks' memory. */
    boolean stateMissing() {
        return stateMissing;
    }

    /** Why the chunk ended early. */
    Optional<QLoraException> failure() {
        return Optional.ofNullable(failure).map(ChunkRows::error);
    }

    /** Its rows of metrics. */
    List<Row> metrics() {
        return metrics;
    }

    /** What was measured at its end. */
    Optional<EvalHistory.Evaluated> evaluated() {
        return metrics.stream()
                .filter(row -> row.getAs("eval_loss") != null)
                .map(row -> new EvalHistory.Evaluated(row.getAs("step"), row.<Double>getAs("eval_loss")))
                .findFirst();
    }

    /** Steps that are done; there is something to commit if that is more than the chunk's first. */
    long step() {
        return failure == null ? chunk.endStep() : failure.<Long>getAs("step");
    }

    /**
     * Commits everything; the training state last, since it is what makes the chunk count. The commit of the state also
     * deletes those of the run that are older than the last {@code statesKept}.
     */
    void commit(int statesKept) {
        Dataset<Row> logged =
                tables.spark().createDataFrame(metrics, ChunkRows.SCHEMA).coalesce(1);
        tables.append(Table.METRICS, named(logged), appId(Table.METRICS), chunk.chunk());
        Dataset<Row> adapter = tensors(ChunkRows.ADAPTER)
                .withColumn(
                        "adapter_id",
                        concat(lit(chunk.run().runId() + "@"), col("step").cast("string")));
        tables.append(Table.ADAPTERS, named(adapter), appId(Table.ADAPTERS), chunk.chunk());
        tables.replace(
                Table.TRAINING_STATE,
                named(tensors(ChunkRows.STATE)),
                "run_id = '" + chunk.run().runId() + "' AND (chunk <= " + (chunk.chunk() - statesKept) + " OR chunk >= "
                        + chunk.chunk() + ")",
                appId(Table.TRAINING_STATE),
                chunk.chunk());
    }

    /**
     * Whether a commit failed because the rows were lost with an executor, and couldn't be made again from what is in memory:
     * the chunk is to be trained again from the commit before it.
     */
    static boolean isGone(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null && cause.getMessage().contains(PipelineErrors.ROWS_GONE)) {
                return true;
            }
        }
        return false;
    }

    private Dataset<Row> tensors(String kind) {
        return tables.spark().createDataFrame(rows.filter(row -> isTensor(row, kind)), ChunkRows.SCHEMA);
    }

    /** On an executor. Spark makes rows again that it has lost; a chunk that can't be made again has none but this one. */
    private static boolean isTensor(Row row, String kind) {
        if (is(row, ChunkRows.MISSING)) {
            throw PipelineErrors.rowsGone();
        }
        return is(row, kind);
    }

    private Dataset<Row> named(Dataset<Row> part) {
        return part.withColumn("run_id", lit(chunk.run().runId()))
                .withColumn("chunk", lit(chunk.chunk()))
                .withColumn("group_key", lit(null).cast("string"));
    }

    private String appId(Table table) {
        return "spark-qlora:" + chunk.run().runId() + ":" + table.folder();
    }
}
