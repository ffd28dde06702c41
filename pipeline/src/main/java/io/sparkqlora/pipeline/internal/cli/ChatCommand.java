// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Answers;
import io.sparkqlora.pipeline.internal.job.Chat;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code qlora chat}. */
@Command(
        name = "chat",
        description =
                "A conversation with an adapter in the terminal, a line a turn. /reset begins another, /exit ends.")
final class ChatCommand extends AdapterCommand {

    @Mixin
    SamplingOptions sampling;

    @Option(names = "--system", paramLabel = "TEXT", description = "What the system says first.")
    String system;

    @Option(
            names = "--max-length",
            paramLabel = "N",
            defaultValue = "4096",
            description =
                    "Most tokens of a conversation, for which memory is held. Default: ${DEFAULT-VALUE}, or as many as the "
                            + "model can.")
    int maxLength;

    ChatCommand(Console console) {
        super(console);
    }

    @Override
    JobConfigBuilder jobOfFolder() {
        return options.without(DataKeys.DATASET, RunKeys.OUTPUT_DIR);
    }

    @Override
    Map<String, Object> execute(SparkSession spark, JobConfig config) {
        AdapterChoice choice = adapter.choose(Workspace.open(spark, config, RunObserver.NONE));
        try (Answers answers = Answers.open(choice);
                Chat chat = new Chat(config, answers, sampling.settings(), system, maxLength)) {
            console.err()
                    .println("talking to " + choice.adapterId() + "; /reset begins another conversation, /exit ends");
            int turns = talk(chat);
            Map<String, Object> outcome = new LinkedHashMap<>();
            AdapterOptions.put(choice, outcome);
            outcome.put("turns", turns);
            return outcome;
        }
    }

    private int talk(Chat chat) {
        int turns = 0;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = next(in); line != null && !line.strip().equals("/exit"); line = next(in)) {
            if (line.strip().equals("/reset")) {
                chat.reset();
            } else if (!line.isBlank()) {
                chat.say(line, console.out()::print);
                console.out().println();
                turns++;
            }
        }
        return turns;
    }

    private String next(BufferedReader in) {
        console.err().print("> ");
        console.err().flush();
        try {
            return in.readLine();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
