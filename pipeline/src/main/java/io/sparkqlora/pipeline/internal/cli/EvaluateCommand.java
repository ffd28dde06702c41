// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.AnswerScores;
import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.answers.EvaluatedAnswers;
import io.sparkqlora.pipeline.internal.job.EvaluateJob;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora evaluate}. */
@Command(
        name = "evaluate",
        description = "Measures loss and perplexity of an adapter and its base, on eval_dataset or dataset.")
final class EvaluateCommand extends JobCommand {

    @Mixin
    AdapterOptions adapter;

    @Option(
            names = "--predict-with-generate",
            description =
                    "Also answers every row (greedily) and gives exact match and ROUGE, with a row each in predictions.")
    boolean predictWithGenerate;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "64",
            description = "Most tokens of such an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    EvaluateCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        Workspace work = Workspace.open(spark, config, new ProgressLine(console.err(), false));
        RunChoice choice = adapter.choose(work);
        Evaluation e = EvaluateJob.measure(work, choice);
        AnswerScores scores = predictWithGenerate ? EvaluatedAnswers.run(work, choice, e, maxNewTokens) : null;
        EvaluateJob.record(work, choice, e, scores);
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
        if (scores != null) {
            print(scores);
            outcome.put("exact_match", scores.exactMatch());
            outcome.put("rouge1", scores.rouge1());
            outcome.put("rouge2", scores.rouge2());
            outcome.put("rougeL", scores.rougeL());
            outcome.put("num_predictions", scores.numRows());
        }
        return outcome;
    }

    private void print(AnswerScores s) {
        console.err()
                .println(String.format(
                        Locale.ROOT,
                        "exact match %.4f  rouge1 %.4f  rouge2 %.4f  rougeL %.4f  %d answers",
                        s.exactMatch(),
                        s.rouge1(),
                        s.rouge2(),
                        s.rougeL(),
                        s.numRows()));
    }

    private void print(String name, double loss, double perplexity) {
        console.err().println(String.format(Locale.ROOT, "loss %.4f  perplexity %.3f  %s", loss, perplexity, name));
    }
}
