// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.train.GenerationConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Greedy answers to questions with one right answer, by the base and by the adapter.
 *
 * @param questions what was asked
 * @param expected the right answers
 * @param baseAnswers of the base
 * @param tunedAnswers of base and adapter
 */
public record ExactMatch(
        List<String> questions, List<String> expected, List<String> baseAnswers, List<String> tunedAnswers) {

    private static final int MAX_NEW_TOKENS = 16;

    /** Asks all questions of a JSON-lines file of conversations: a user's turn and the assistant's. */
    public static ExactMatch measure(AdapterChoice choice, Path conversations) {
        List<String> questions = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (JsonNode row : rows(conversations)) {
            JsonNode messages = row.get("messages");
            questions.add(messages.get(0).get("content").asText());
            expected.add(messages.get(1).get("content").asText());
        }
        try (Answers answers = Answers.open(choice)) {
            ChatPrompt chat = new ChatPrompt(choice.config(), answers.tokenizer());
            List<String> prompts = questions.stream().map(chat::ofUser).toList();
            GenerationConfig greedy = GenerationConfig.greedy(MAX_NEW_TOKENS);
            return new ExactMatch(
                    questions,
                    expected,
                    answers.continueAll(prompts, greedy, false),
                    answers.continueAll(prompts, greedy, true));
        }
    }

    private static List<JsonNode> rows(Path file) {
        ObjectMapper json = new ObjectMapper();
        List<JsonNode> rows = new ArrayList<>();
        try {
            for (String line : Files.readAllLines(file)) {
                rows.add(json.readTree(line));
            }
            return rows;
        } catch (IOException e) {
            throw PipelineErrors.demoMissing(file + " (" + e.getMessage() + ")");
        }
    }

    /** Part of the base's answers that are right, letter for letter. */
    public double before() {
        return share(baseAnswers);
    }

    /** Part of the adapter's answers that are right. */
    public double after() {
        return share(tunedAnswers);
    }

    private double share(List<String> answers) {
        int right = 0;
        for (int i = 0; i < answers.size(); i++) {
            right += answers.get(i).strip().equals(expected.get(i)) ? 1 : 0;
        }
        return (double) right / answers.size();
    }
}
