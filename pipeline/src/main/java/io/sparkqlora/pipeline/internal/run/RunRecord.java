// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * A row of the table of runs.
 *
 * @param inputs what went in; never changes
 * @param status running, finished, partial, interrupted, diverged or failed
 * @param lastStep steps that are committed
 * @param startedAt when the run was first started
 * @param endedAt when it finished or failed, or null
 * @param error why it failed, or null
 */
public record RunRecord(
        RunInputs inputs, String status, long lastStep, Instant startedAt, Instant endedAt, String error) {

    public static final String RUNNING = "running";
    public static final String FINISHED = "finished";
    public static final String PARTIAL = "partial";
    public static final String INTERRUPTED = "interrupted";
    public static final String DIVERGED = "diverged";
    public static final String FAILED = "failed";

    /** A run that starts now. */
    static RunRecord started(RunInputs inputs) {
        return new RunRecord(inputs, RUNNING, 0, Instant.now(), null, null);
    }

    /** The same run, running, after a commit. */
    public RunRecord at(long step) {
        return new RunRecord(inputs, RUNNING, step, startedAt, null, null);
    }

    /** The same run, over. */
    public RunRecord ended(String finalStatus, String why) {
        return new RunRecord(inputs, finalStatus, lastStep, startedAt, Instant.now(), why);
    }

    /** A recorded run. */
    public static Optional<RunRecord> find(JobTables tables, String runId) {
        List<Row> rows =
                tables.read(Table.RUNS).where(col("run_id").equalTo(runId)).collectAsList();
        return rows.stream().findFirst().map(RunRecord::of);
    }

    static RunRecord of(Row row) {
        return new RunRecord(
                RunInputs.of(row),
                row.getAs("status"),
                row.<Long>getAs("last_step"),
                instant(row, "started_at"),
                instant(row, "ended_at"),
                row.getAs("error"));
    }

    /** Inserts the row, or replaces the run's. */
    public void save(JobTables tables) {
        tables.put(Table.RUNS, row(), "run_id = '" + inputs.runId() + "'");
    }

    private Row row() {
        return RowFactory.create(
                inputs.runId(),
                status,
                inputs.baseModel(),
                inputs.fingerprint(),
                inputs.tokenizerHash(),
                inputs.dataset(),
                inputs.datasetVersion(),
                inputs.datasetId(),
                inputs.config(),
                inputs.versions(),
                inputs.totalSteps(),
                lastStep,
                Timestamp.from(startedAt),
                Timestamp.from(Instant.now()),
                endedAt == null ? null : Timestamp.from(endedAt),
                error,
                inputs.device(),
                inputs.evalDatasetId(),
                inputs.adapterHash());
    }

    private static Instant instant(Row row, String column) {
        Timestamp value = row.getAs(column);
        return value == null ? null : value.toInstant();
    }
}
