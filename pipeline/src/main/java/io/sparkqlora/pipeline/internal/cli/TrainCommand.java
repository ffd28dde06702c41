// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import static org.apache.spark.sql.functions.col;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.TrainJob;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code qlora train}. */
@Command(
        name = "train",
        description = "Tokenises, if need be, and trains; a run that was interrupted goes on from its last commit.")
final class TrainCommand extends JobCommand {

    @Option(names = "--fresh", description = "Starts another run under a new name: resume=false.")
    boolean fresh;

    TrainCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        JobConfig job = fresh ? config.toBuilder().set("resume", false).build() : config;
        ProgressLine progress = new ProgressLine(console.err(), System.console() != null);
        Workspace work = Workspace.open(spark, job, progress);
        try {
            RunRecord run = TrainJob.train(work);
            progress.endLine();
            return config.has(GroupKeys.GROUP_BY) ? GroupsOutcome.of(work, run, console) : outcome(work, run);
        } finally {
            progress.endLine();
        }
    }

    /** Some groups failed, and the adapters of the others are there. */
    @Override
    int exitCode(Map<String, Object> outcome) {
        return GroupsOutcome.PARTIAL.equals(outcome.get("status")) ? GroupsOutcome.EXIT_CODE : 0;
    }

    static Map<String, Object> outcome(Workspace work, RunRecord run) {
        Row last = work.tables()
                .read(Table.METRICS)
                .where(col("run_id").equalTo(run.inputs().runId()))
                .where(col("loss").isNotNull())
                .orderBy(col("step").desc())
                .select("loss", "grad_norm", "tokens_per_second")
                .first();
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("run_id", run.inputs().runId());
        outcome.put("run_status", run.status());
        outcome.put("adapter_id", run.inputs().runId() + "@" + adapterStep(work, run));
        outcome.put("steps", run.lastStep());
        outcome.put("loss", last.getDouble(0));
        outcome.put("grad_norm", last.getDouble(1));
        outcome.put("tokens_per_second", last.getDouble(2));
        RunChoice.lastEvaluation(work.tables(), run).ifPresent(e -> outcome.put("eval_loss", e.loss()));
        outcome.put("device", run.inputs().device());
        outcome.put("dataset_id", run.inputs().datasetId());
        outcome.put("output_dir", work.tables().root());
        return outcome;
    }

    private static long adapterStep(Workspace work, RunRecord run) {
        Long best = RunChoice.bestStep(work.tables(), run);
        return best == null ? run.lastStep() : best;
    }
}
