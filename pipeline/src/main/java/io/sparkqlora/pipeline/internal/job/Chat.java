// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.DataErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.tokenize.TextTokenizer;
import io.sparkqlora.train.Dialogue;
import io.sparkqlora.train.Generation;
import io.sparkqlora.train.GenerationConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** A conversation, turn by turn, through the chat template. */
public final class Chat implements AutoCloseable {

    private static final char UNFINISHED = '\uFFFD';

    private final TextTokenizer tokenizer;
    private final ChatPrompt template;
    private final GenerationConfig settings;
    private final String system;
    private final int maxLength;
    private final Dialogue dialogue;
    private final List<Map<String, String>> messages = new ArrayList<>();

    /**
     * A conversation that has not begun.
     *
     * @param system what the system says first, or null
     * @param maxLength most tokens of prompt and answer
     */
    public Chat(JobConfig config, Answers answers, GenerationConfig settings, String system, int maxLength) {
        this.tokenizer = answers.tokenizer();
        this.template = new ChatPrompt(config, tokenizer);
        this.settings = settings;
        this.system = system;
        this.maxLength = maxLength;
        this.dialogue = answers.dialogue(maxLength);
        reset();
    }

    /** Forgets what was said. */
    public void reset() {
        messages.clear();
        if (system != null) {
            messages.add(Map.of("role", "system", "content", system));
        }
    }

    /**
     * Says something and gives the answer.
     *
     * @param listener hears the answer piece by piece
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P138 if the conversation has become too long
     */
    public String say(String text, Consumer<String> listener) {
        messages.add(Map.of("role", "user", "content", text));
        int[] prompt = tokenizer.encode(template.of(messages), false);
        if (prompt.length > maxLength - settings.maxNewTokens()) {
            throw DataErrors.conversationTooLong(prompt.length, settings.maxNewTokens(), maxLength);
        }
        Pieces pieces = new Pieces(listener);
        Generation generation = dialogue.answer(prompt, settings, pieces::add);
        String answer = Answers.text(tokenizer, generation);
        pieces.upTo(answer);
        messages.add(Map.of("role", "assistant", "content", answer));
        return answer;
    }

    @Override
    public void close() {
        dialogue.close();
    }

    /** The text of tokens as far as it is settled: the bytes of a character may come in several tokens. */
    private final class Pieces {

        private final Consumer<String> listener;
        private final List<Integer> tokens = new ArrayList<>();
        private int told;

        Pieces(Consumer<String> listener) {
            this.listener = listener;
        }

        void add(int token) {
            tokens.add(token);
            String text =
                    tokenizer.decode(tokens.stream().mapToInt(Integer::intValue).toArray(), true);
            if (!text.isEmpty() && text.charAt(text.length() - 1) != UNFINISHED) {
                upTo(text);
            }
        }

        void upTo(String text) {
            if (text.length() > told) {
                listener.accept(text.substring(told));
                told = text.length();
            }
        }
    }
}
