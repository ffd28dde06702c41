// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.job.EvaluateJob;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code qlora evaluate}. */
@Command(
        name = "evaluate",
        description = "Measures loss and perplexity of an adapter and its base, on eval_dataset or dataset.")
final class EvaluateCommand extends JobCommand {

    @Mixin
    AdapterOptions adapter;

    EvaluateCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        Workspace work = Workspace.open(spark, config, new ProgressLine(console.err(), false));
        RunChoice choice = adapter.choose(work);
        Evaluation e = EvaluateJob.run(work, choice);
        print("base", e.baseLoss(), e.basePerplexity());
        print(e.adapterId(), e.loss(), e.perplexity());
        Map<String, Object> outcome = new LinkedHashMap<>();
        outcome.put("run_id", choice.run().inputs().runId());
        outcome.put("adapter_id", e.adapterId());
        outcome.put("step", choice.step());
        outcome.put("dataset", e.dataset());
        outcome.put("dataset_id", e.datasetId());
        outcome.put("loss", e.loss());
        outcome.put("perplexity", e.perplexity());
        outcome.put("base_loss", e.baseLoss());
        outcome.put("base_perplexity", e.basePerplexity());
        outcome.put("num_rows", e.numRows());
        outcome.put("num_target_tokens", e.numTargetTokens());
        return outcome;
    }

    private void print(String name, double loss, double perplexity) {
        console.err().println(String.format(Locale.ROOT, "loss %.4f  perplexity %.3f  %s", loss, perplexity, name));
    }
}
