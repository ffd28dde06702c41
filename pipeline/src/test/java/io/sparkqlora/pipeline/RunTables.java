// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.List;
import java.util.Optional;
import scala.jdk.javaapi.CollectionConverters;

/** What the tables say of runs. */
public final class RunTables {

    private final JobTables tables;

    /** Of the tables under a folder. */
    public RunTables(String root) {
        tables = new JobTables(TestSpark.session(), root);
    }

    Optional<RunRecord> find(String runId) {
        return RunRecord.find(tables, runId);
    }

    /** Steps that are committed; 0 where there is no such run yet. */
    long lastStep(String runId) {
        return find(runId).map(RunRecord::lastStep).orElse(0L);
    }

    RunResult result(String runId) {
        return RunResult.of(find(runId).orElseThrow(), tables, tables.root());
    }

    /** The run's metrics by step, without what differs from run to run: times, speed, memory. */
    public List<List<Object>> metrics(String runId) {
        return tables
                .read(Table.METRICS)
                .where("run_id = '" + runId + "'")
                .orderBy("step")
                .select(
                        "step",
                        "epoch",
                        "loss",
                        "learning_rate",
                        "grad_norm",
                        "num_tokens",
                        "num_target_tokens",
                        "chunk")
                .collectAsList()
                .stream()
                .map(row -> List.copyOf(CollectionConverters.asJava(row.toSeq())))
                .toList();
    }

    /** Most device memory that the run's steps had in use. */
    long deviceBytes(String runId) {
        return tables.read(Table.METRICS)
                .where("run_id = '" + runId + "'")
                .selectExpr("max(device_bytes)")
                .first()
                .getLong(0);
    }
}
