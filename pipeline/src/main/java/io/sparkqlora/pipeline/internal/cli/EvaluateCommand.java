// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.AnswerScores;
import io.sparkqlora.pipeline.Evaluation;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.PreferenceErrors;
import io.sparkqlora.pipeline.internal.answers.EvaluatedAnswers;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.EvaluateJob;
import io.sparkqlora.pipeline.internal.job.PreferenceChecks;
import io.sparkqlora.pipeline.internal.job.Workspace;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code qlora evaluate}. */
@Command(
        name = "evaluate",
        description = "Measures loss and perplexity of an adapter and its base, on eval_dataset or dataset.")
final class EvaluateCommand extends AdapterCommand {

    @Option(
            names = "--predict-with-generate",
            description =
                    "Also answers every row (greedily) and gives exact match and ROUGE, with a row each in predictions.")
    boolean predictWithGenerate;

    @Option(
            names = "--max-new-tokens",
            paramLabel = "N",
            defaultValue = "64",
            description = "Most tokens of such an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    EvaluateCommand(Console console) {
        super(console);
    }

    @Override
    JobConfigBuilder jobOfFolder() {
        return options.builder();
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        Workspace work = Workspace.open(spark, config, new ProgressLine(console.err(), false));
        AdapterChoice choice = adapter.choose(work);
        if (predictWithGenerate && PreferenceChecks.wanted(choice.config())) {
            throw PreferenceErrors.noAnswers("--predict-with-generate");
        }
        Evaluation e = EvaluateJob.measure(work, choice);
        AnswerScores scores = predictWithGenerate ? EvaluatedAnswers.run(work, choice, e, maxNewTokens) : null;
        EvaluateJob.record(work, choice, e, scores);
        if (e.preference() == null) {
            print("base", e.baseLoss(), e.basePerplexity());
            print(e.adapterId(), e.loss(), e.perplexity());
        } else {
            print(e);
        }
        Map<String, Object> outcome = new LinkedHashMap<>();
        AdapterOptions.put(choice, outcome);
        outcome.put("dataset", e.dataset());
        outcome.put("dataset_id", e.datasetId());
        outcome.put("loss", e.loss());
        if (e.preference() == null) {
            outcome.put("perplexity", e.perplexity());
            outcome.put("base_loss", e.baseLoss());
            outcome.put("base_perplexity", e.basePerplexity());
        } else {
            outcome.put("base_loss", e.baseLoss());
            putPreference(outcome, e);
        }
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

    private static void putPreference(Map<String, Object> outcome, Evaluation e) {
        outcome.put("num_pairs", e.numPairs());
        outcome.put("rewards_chosen", e.preference().rewardsChosen());
        outcome.put("rewards_rejected", e.preference().rewardsRejected());
        outcome.put("rewards_accuracies", e.preference().rewardsAccuracies());
        outcome.put("rewards_margins", e.preference().rewardsMargins());
        outcome.put("logps_chosen", e.preference().logpsChosen());
        outcome.put("logps_rejected", e.preference().logpsRejected());
    }

    private void print(Evaluation e) {
        console.err()
                .println(String.format(
                        Locale.ROOT,
                        "loss %.4f (%.4f where no answer is preferred)  accuracy %.4f  margin %.4f  %d pairs  %s",
                        e.loss(),
                        e.baseLoss(),
                        e.preference().rewardsAccuracies(),
                        e.preference().rewardsMargins(),
                        e.numPairs(),
                        e.adapterId()));
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
