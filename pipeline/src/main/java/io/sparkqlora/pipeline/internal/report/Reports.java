// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;

/** Everything that a run reports to beside its tables. */
public final class Reports {

    private static final String MLFLOW = "mlflow";

    private final List<RunReport> reports;

    private Reports(List<RunReport> reports) {
        this.reports = reports;
    }

    /** Whether a job wants any. */
    public static boolean wanted(JobConfig config) {
        return !config.get(RunKeys.REPORT_TO).equals("none");
    }

    /**
     * Checks, before anything is done, what can be told of them.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P196 without the address of MLflow's server
     */
    public static void check(JobConfig config) {
        if (config.get(RunKeys.REPORT_TO).equals(MLFLOW)) {
            MlflowSettings.of(Reports::variable);
        }
    }

    /**
     * Those of a job, told what is committed already and they have not heard, as after a kill.
     *
     * @param warn gets a line about what they could not be told
     */
    public static Reports open(
            JobTables tables, JobConfig config, String runId, long lastChunk, Consumer<String> warn) {
        if (!wanted(config)) {
            return new Reports(List.of());
        }
        Reports reports = new Reports(List.of(
                config.get(RunKeys.REPORT_TO).equals(MLFLOW)
                        ? MlflowRun.open(MlflowSettings.of(Reports::variable), MlflowRun.PATIENCE, runId, config, warn)
                        : tensorBoard(tables, config, runId)));
        reports.catchUp(tables, runId, lastChunk);
        return reports;
    }

    private static RunReport tensorBoard(JobTables tables, JobConfig config, String runId) {
        String folder =
                config.has(RunKeys.LOGGING_DIR) ? config.get(RunKeys.LOGGING_DIR) : tables.root() + "/tensorboard";
        return new TensorBoardFiles(tables.spark().sparkContext().hadoopConfiguration(), folder, runId);
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? null : value;
    }

    private void catchUp(JobTables tables, String runId, long lastChunk) {
        if (lastChunk < 0) {
            return;
        }
        List<Row> rows = tables.read(Table.METRICS)
                .where(col("run_id").equalTo(runId).and(col("chunk").leq(lastChunk)))
                .orderBy("step")
                .collectAsList();
        Map<Long, List<Row>> chunks = rows.stream()
                .collect(Collectors.groupingBy(row -> row.<Long>getAs("chunk"), TreeMap::new, Collectors.toList()));
        for (RunReport report : reports) {
            chunks.forEach((chunk, metrics) -> {
                if (!report.has(chunk)) {
                    report.tell(chunk, metrics);
                }
            });
        }
    }

    /** Tells them that the run has ended for now. */
    public void ended(String status) {
        reports.forEach(report -> report.ended(status));
    }

    /** Tells them of a chunk that was committed. */
    public void committed(long chunk, List<Row> metrics) {
        reports.forEach(report -> report.tell(chunk, metrics));
    }
}
