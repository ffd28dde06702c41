// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.ChatPrompt;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
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
final class GenerateCommand extends JobCommand {

    @Mixin
    AdapterOptions adapter;

    @Option(
            names = "--prompt",
            required = true,
            paramLabel = "TEXT",
            description = "What the user says. Goes through the chat template, if there is one. Repeatable.")
    List<String> prompts;

    @Option(names = "--raw", description = "The prompt is continued as it is, without the chat template.")
    boolean raw;

    @Option(
            names = "--max-new-tokens",
            defaultValue = "64",
            description = "Most tokens of an answer. Default: ${DEFAULT-VALUE}.")
    int maxNewTokens;

    @Option(names = "--do-sample", description = "Sample; without it, always the likeliest token.")
    boolean doSample;

    @Option(names = "--temperature", description = "Of sampling. Default: 1.")
    Double temperature;

    @Option(names = "--top-k", description = "Of sampling; 0 for all tokens. Default: 50.")
    Integer topK;

    @Option(names = "--top-p", description = "Of sampling. Default: 1.")
    Double topP;

    @Option(names = "--seed", description = "Of sampling. Default: 42.")
    Long seed;

    GenerateCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        GenerationConfig settings = settings();
        RunChoice choice = adapter.choose(Workspace.open(spark, config, RunObserver.NONE));
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
            outcome.put("adapter_id", choice.adapterId());
            outcome.put("prompts", prompts);
            outcome.put("base", base);
            outcome.put("adapter", tuned);
            return outcome;
        }
    }

    private List<String> texts(JobConfig config, Answers answers) {
        if (raw || !ChatPrompt.available(config, answers.tokenizer())) {
            return prompts;
        }
        ChatPrompt chat = new ChatPrompt(config, answers.tokenizer());
        return prompts.stream().map(chat::ofUser).toList();
    }

    private GenerationConfig settings() {
        GenerationConfig.Builder builder =
                GenerationConfig.builder().maxNewTokens(maxNewTokens).doSample(doSample);
        if (temperature != null) {
            builder.temperature(temperature);
        }
        if (topK != null) {
            builder.topK(topK);
        }
        if (topP != null) {
            builder.topP(topP);
        }
        if (seed != null) {
            builder.seed(seed);
        }
        return builder.build();
    }
}
