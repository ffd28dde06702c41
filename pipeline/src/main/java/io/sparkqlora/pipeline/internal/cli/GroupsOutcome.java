// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.GroupErrors;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** What {@code qlora train} says of a run of groups. */
final class GroupsOutcome {

    /** The status of an outcome: some groups failed. */
    static final String PARTIAL = "partial";

    /** The exit code that goes with it. */
    static final int EXIT_CODE = 9;

    private GroupsOutcome() {}

    static Map<String, Object> of(Workspace work, RunRecord run, Console console) {
        String runId = run.inputs().runId();
        Dataset<Row> groups =
                work.tables().read(Table.GROUPS).where(col("run_id").equalTo(runId));
        Map<String, Long> counts = new HashMap<>();
        groups.groupBy("status").count().collectAsList().forEach(row -> counts.put(row.getString(0), row.getLong(1)));
        long all = counts.values().stream().mapToLong(Long::longValue).sum();
        long failed = counts.getOrDefault("failed", 0L);
        Map<String, Object> outcome = new LinkedHashMap<>();
        if (failed > 0) {
            QLoraException e = GroupErrors.someFailed(runId, failed, all, example(groups));
            console.err().println("qlora: " + e.getMessage());
            outcome.put("status", PARTIAL);
            outcome.put("code", e.code());
            outcome.put("message", e.getMessage());
        }
        outcome.put("run_id", runId);
        outcome.put("run_status", run.status());
        outcome.put("groups", all);
        outcome.put("groups_done", counts.getOrDefault("done", 0L));
        outcome.put("groups_failed", failed);
        outcome.put("steps", run.lastStep());
        outcome.put("device", run.inputs().device());
        outcome.put("dataset_id", run.inputs().datasetId());
        outcome.put("output_dir", work.tables().root());
        return outcome;
    }

    private static String example(Dataset<Row> groups) {
        Row first = groups.where(col("status").equalTo("failed"))
                .orderBy("group_key")
                .select("group_key", "error")
                .first();
        return "'" + first.getString(0) + "' (" + first.getString(1) + ")";
    }
}
