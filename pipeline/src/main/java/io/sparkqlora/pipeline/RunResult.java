// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;

/**
 * A finished run.
 *
 * @param runId its name
 * @param adapterId {@code run_id@step} of its adapter; null for a run of groups, which has one a group
 * @param status {@code finished}, or {@code partial} if some groups failed
 * @param steps optimizer steps
 * @param adapterStep of its adapter: the last, or the best with load_best_model_at_end
 * @param datasetId rows of token_shards that it was trained on
 * @param outputDir root of the tables
 */
public record RunResult(
        String runId,
        String adapterId,
        String status,
        long steps,
        long adapterStep,
        String datasetId,
        String outputDir) {

    static RunResult of(RunRecord record, JobTables tables, String outputDir) {
        Long best = RunChoice.bestStep(tables, record);
        long step = best == null ? record.lastStep() : best;
        String runId = record.inputs().runId();
        return new RunResult(
                runId,
                ConfigJson.read(record.inputs().config()).has(GroupKeys.GROUP_BY) ? null : runId + "@" + step,
                record.status(),
                record.lastStep(),
                step,
                record.inputs().datasetId(),
                outputDir);
    }

    /** The run's rows of the table of metrics, by step. */
    public Dataset<Row> metrics(SparkSession spark) {
        return new JobTables(spark, outputDir)
                .read(Table.METRICS)
                .where(functions.col("run_id").equalTo(runId))
                .orderBy("step");
    }

    /** The run's groups, by key: status, error, steps, loss. Empty for a run without. */
    public Dataset<Row> groups(SparkSession spark) {
        return new JobTables(spark, outputDir)
                .read(Table.GROUPS)
                .where(functions.col("run_id").equalTo(runId))
                .orderBy("group_key");
    }

    /** Loss of the last logged step. */
    public double lastLoss(SparkSession spark) {
        return metrics(spark)
                .where(functions.col("loss").isNotNull())
                .orderBy(functions.col("step").desc())
                .select("loss")
                .first()
                .getDouble(0);
    }
}
