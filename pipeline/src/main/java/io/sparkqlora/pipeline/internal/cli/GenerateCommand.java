// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.answers.PromptTable;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.ChatPrompt;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.tables.Table;
import io.sparkqlora.train.GenerationConfig;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora generate}. */
@Command(name = "generate", description = "Continues prompts with an adapter and without it, side by side.")
final class GenerateCommand extends AdapterCommand {

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            description = "What the user says. Goes through the chat template, if there is one. Repeatable.")
    List<String> prompts;

    @Option(
            names = "--dataset",
            paramLabel = "SOURCE",
            description =
                    "A path or table of prompts: rows of messages, prompts, instructions or texts, each answered greedily "
                            + "by the adapter, as a row of the table predictions.")
    String dataset;

    @Option(names = "--raw", description = "The prompt is continued as it is, without the chat template.")
    boolean raw;

    @Mixin
    SamplingOptions sampling;

    GenerateCommand(Console console) {
        super(console);
    }

    @Override
    JobConfigBuilder jobOfFolder() {
        return dataset == null
                ? options.without(DataKeys.DATASET, RunKeys.OUTPUT_DIR)
                : options.without(DataKeys.DATASET);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        GenerationConfig settings = sampling.settings();
        if ((prompts == null) == (dataset == null)) {
            throw PipelineErrors.badGenerateOption(
                    prompts == null
                            ? "there is neither --prompt nor --dataset"
                            : "there are both --prompt and --dataset",
                    "give one of them");
        }
        Workspace work = Workspace.open(spark, config, RunObserver.NONE);
        AdapterChoice choice = adapter.choose(work);
        if (dataset != null) {
            return table(work, choice);
        }
        try (Answers answers = Answers.open(choice)) {
            List<String> texts = texts(config, answers);
            List<String> base = answers.continueAll(texts, settings, false);
            List<String> tuned = answers.continueAll(texts, settings, true);
            for (int i = 0; i < texts.size(); i++) {
                console.out().println("prompt:  " + prompts.get(i));
                console.out().println("base:    " + base.get(i));
                console.out().println("adapter: " + tuned.get(i));
            }
            Map<String, Object> outcome = new LinkedHashMap<>();
            AdapterOptions.put(choice, outcome);
            outcome.put("prompts", prompts);
            outcome.put("base", base);
            outcome.put("adapter", tuned);
            return outcome;
        }
    }

    private Map<String, Object> table(Workspace work, AdapterChoice choice) {
        if (sampling.doSample || raw) {
            throw PipelineErrors.badGenerateOption(
                    (raw ? "--raw" : "--do-sample") + " goes with --prompt alone", "leave it out");
        }
        PromptTable.Answered answered = PromptTable.run(work, choice, dataset, sampling.maxNewTokens);
        Map<String, Object> outcome = new LinkedHashMap<>();
        AdapterOptions.put(choice, outcome);
        outcome.put("dataset", dataset);
        outcome.put("answered", answered.answered());
        outcome.put("rejected", answered.rejected());
        outcome.put("table", work.tables().path(Table.PREDICTIONS));
        return outcome;
    }

    private List<String> texts(JobConfig config, Answers answers) {
        if (raw || !ChatPrompt.available(config, answers.tokenizer())) {
            return prompts;
        }
        ChatPrompt chat = new ChatPrompt(config, answers.tokenizer());
        return prompts.stream().map(chat::ofUser).toList();
    }
}
