// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.tokenize.ConversationTokenizer.Settings;
import io.sparkqlora.tokenize.internal.Example;
import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.Example.Preference;
import io.sparkqlora.tokenize.internal.Example.PromptCompletion;
import io.sparkqlora.tokenize.internal.Outcome;
import io.sparkqlora.tokenize.internal.Outcome.Pair;
import io.sparkqlora.tokenize.internal.Outcome.Rejected;
import io.sparkqlora.tokenize.internal.Outcome.Tokenized;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Preferences become tokens as TRL's DPOTrainer makes them. */
class PreferenceTokenizerTest {

    private static final String PLAIN =
            "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                    + "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    private static TextTokenizer bpe;

    @BeforeAll
    static void open() {
        bpe = TextTokenizer.open(Resources.path("bpe"));
    }

    @AfterAll
    static void close() {
        bpe.close();
    }

    private static Outcome tokenize(Preference preference, int length) {
        // what counts elsewhere makes no difference here
        return new ConversationTokenizer(bpe, new Settings(PLAIN, length, false, false)).tokenize(preference);
    }

    private static Conversation conversation(int prompt, JsonNode... lists) {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (JsonNode list : lists) {
            messages.addAll(Resources.messages(list));
        }
        return new Conversation(messages, null, prompt);
    }

    private static Preference example(JsonNode row) {
        JsonNode prompt = row.get("prompt");
        Example chosen = prompt.isTextual()
                ? new PromptCompletion(prompt.asText(), row.get("chosen").asText())
                : conversation(prompt.size(), prompt, row.get("chosen"));
        Example rejected = prompt.isTextual()
                ? new PromptCompletion(prompt.asText(), row.get("rejected").asText())
                : conversation(prompt.size(), prompt, row.get("rejected"));
        return new Preference(chosen, rejected);
    }

    /** The rows of src/test/python/preference_reference.py, tokenised as TRL's DPOTrainer and its collator do. */
    @Test
    void asTrlTokenizes() {
        JsonNode rows = Resources.json("preferences/trl.json");
        assertThat(rows.size()).isGreaterThan(5);
        for (JsonNode row : rows) {
            Outcome outcome = tokenize(example(row), row.get("max_length").asInt());
            if (row.get("chosen_ids").isNull()) {
                assertThat(outcome).as("%s", row).isInstanceOf(Rejected.class);
                continue;
            }
            Pair pair = (Pair) outcome;
            assertSame(pair.chosen(), row, "chosen");
            assertSame(pair.rejected(), row, "rejected");
        }
    }

    private static void assertSame(Tokenized tokens, JsonNode row, String which) {
        assertThat(tokens.inputIds()).as("%s of %s", which, row).containsExactly(ints(row.get(which + "_ids")));
        int[] mask = IntStream.of(tokens.labels())
                .map(label -> label == -100 ? 0 : 1)
                .toArray();
        assertThat(mask).as("%s of %s", which, row).containsExactly(ints(row.get(which + "_mask")));
    }

    private static int[] ints(JsonNode list) {
        return IntStream.range(0, list.size()).map(i -> list.get(i).asInt()).toArray();
    }

    private static void assertRejected(Outcome outcome, String reason, String detail) {
        assertThat(outcome).isInstanceOfSatisfying(Rejected.class, rejected -> {
            assertThat(rejected.reason()).isEqualTo(reason);
            assertThat(rejected.detail()).contains(detail);
        });
    }

    @Test
    void pairsThatTeachNothingAreRejected() {
        PromptCompletion cat = new PromptCompletion("The cat", " sat on the mat");
        assertRejected(tokenize(new Preference(cat, cat), 99), "identical_pair", "chosen and rejected are the same");
        PromptCompletion dog = new PromptCompletion("The cat", " sat on the dog");
        Pair whole = (Pair) tokenize(new Preference(cat, dog), 99);
        int common = 0;
        while (whole.chosen().inputIds()[common] == whole.rejected().inputIds()[common]) {
            common++;
        }
        assertRejected(
                tokenize(new Preference(cat, dog), common), "identical_pair", "max_seq_length cut off what differs");
        assertRejected(tokenize(new Preference(cat, dog), 2), "no_target_tokens", "chosen: none of the first 2 of");
    }
}
