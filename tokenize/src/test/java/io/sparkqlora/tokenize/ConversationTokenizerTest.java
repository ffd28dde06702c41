// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.tokenize.ConversationTokenizer.Settings;
import io.sparkqlora.tokenize.internal.Example;
import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.Example.PromptCompletion;
import io.sparkqlora.tokenize.internal.Example.Text;
import io.sparkqlora.tokenize.internal.Outcome.Rejected;
import io.sparkqlora.tokenize.internal.Outcome.Tokenized;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConversationTokenizerTest {

    /** A template without marks. */
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

    @Test
    void aTemplateThatAsksForTheTimeIsToldTheJobsDay() throws Exception {
        String template = "{{ strftime_now('%d %b %Y %H:%M') }} " + PLAIN;
        Conversation example = conversation("user", "When?", "assistant", "Then.");
        Settings settings = new Settings(template, LocalDate.of(2030, 2, 1), 99, true, true);
        Tokenized tokens = (Tokenized) new ConversationTokenizer(bpe, settings).tokenize(example);
        assertThat(bpe.decode(tokens.inputIds(), false)).startsWith("01 Feb 2030 00:00 ");
        Tokenized byDefault = (Tokenized) tokenizer(template, 99).tokenize(example);
        assertThat(bpe.decode(byDefault.inputIds(), false)).startsWith("26 Jul 2024 00:00 ");
    }

    private static ConversationTokenizer tokenizer(String template, int length) {
        return new ConversationTokenizer(bpe, new Settings(template, length, true, true));
    }

    private static Map<String, Object> message(String role, Object content) {
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", content);
        return message;
    }

    private static Conversation conversation(Object... rolesAndContents) {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < rolesAndContents.length; i += 2) {
            messages.add(message((String) rolesAndContents[i], rolesAndContents[i + 1]));
        }
        return new Conversation(messages, null);
    }

    private static String counted(Tokenized tokenized) {
        return bpe.decode(
                Arrays.stream(tokenized.labels()).filter(label -> label >= 0).toArray(), false);
    }

    private static String mask(Tokenized tokenized) {
        StringBuilder mask = new StringBuilder();
        for (int label : tokenized.labels()) {
            mask.append(label == ConversationTokenizer.IGNORED ? '0' : '1');
        }
        return mask.toString();
    }

    private static void assertRejected(ConversationTokenizer tokenizer, Example example, String reason, String detail) {
        assertThat(tokenizer.tokenize(example)).isInstanceOfSatisfying(Rejected.class, rejected -> {
            assertThat(rejected.reason()).isEqualTo(reason);
            assertThat(rejected.detail()).contains(detail);
        });
    }

    @Test
    void halfASurrogatePairIsRejectedWhereverItStands() {
        for (String half : List.of("\ud83d", "a \udc4d", "👍\ud83d x")) {
            String detail = "half of a surrogate pair without the other half";
            assertRejected(
                    tokenizer(null, 64), conversation("user", half, "assistant", "b"), "invalid_unicode", detail);
            assertRejected(tokenizer(null, 64), new PromptCompletion("p", half), "invalid_unicode", detail);
            assertRejected(tokenizer(null, 64), new Text(half), "invalid_unicode", detail);
        }
        assertThat(tokenizer(null, 64).tokenize(new Text("👍👍"))).isInstanceOf(Tokenized.class);
    }

    /** As a template of transformers that knows parts gets them; whichever knows none would write a list as Python does. */
    @Test
    void contentInPartsOfTextIsText() {
        List<Map<String, Object>> parts =
                List.of(Map.of("type", "text", "text", "one"), Map.of("type", "text", "text", "two"));
        Conversation example = conversation("user", parts, "assistant", "three");
        String knows = PLAIN.replace(
                "{{ m.content }}",
                "{% if m.content is string %}{{ m.content }}{% else %}"
                        + "{% for part in m.content %}{{ part.text }}{% endfor %}{% endif %}");
        assertThat(text(knows, example)).startsWith("<|im_start|>user\nonetwo<|im_end|>");
        String ignores = PLAIN.replace("m.content", "m.content if m.content is string else ''");
        String concatenates = PLAIN.replace("{{ m.content }}", "{{ '' + m.content }}");
        for (String other : List.of(PLAIN, ignores, concatenates)) {
            assertThat(text(other, example)).startsWith("<|im_start|>user\none\ntwo<|im_end|>");
        }
    }

    private static String text(String template, Conversation example) {
        return bpe.decode(((Tokenized) tokenizer(template, 99).tokenize(example)).inputIds(), false);
    }

    @Test
    void masksAsTransformersDoes() {
        JsonNode reference = Resources.json("bpe/reference.json");
        assertThat(reference.get("conversations")).hasSizeGreaterThan(50);
        for (JsonNode each : reference.get("conversations")) {
            Conversation conversation = new Conversation(Resources.messages(each.get(0)), null);
            Tokenized marked = (Tokenized) tokenizer(null, 4096).tokenize(conversation);
            assertThat(marked.inputIds()).isEqualTo(Resources.JSON.convertValue(each.get(1), int[].class));
            assertThat(mask(marked)).isEqualTo(each.get(2).asText());
            Tokenized found = (Tokenized) tokenizer(PLAIN, 4096).tokenize(conversation);
            assertThat(found.labels()).as("marks and prefixes agree").isEqualTo(marked.labels());
        }
    }

    @Test
    void masksOfTheFixtureEqualTransformers(@TempDir Path dir) {
        JsonNode fixture = Resources.json("chat-templates.json");
        Resources.byteLevel(dir, "{\"bos_token\":\"<s>\",\"eos_token\":\"</s>\"}");
        int checked = 0;
        try (TextTokenizer bytes = TextTokenizer.open(dir)) {
            for (JsonNode each : fixture.get("cases")) {
                if (each.has("assistant_mask")) {
                    String template = fixture.get("templates")
                            .get(each.get("template").asText())
                            .asText();
                    checkFixture(new ConversationTokenizer(bytes, new Settings(template, 4096, true, true)), each);
                    checked++;
                }
            }
        }
        assertThat(checked).isEqualTo(12);
    }

    private static void checkFixture(ConversationTokenizer tokenizer, JsonNode each) {
        int[] mask = Resources.JSON.convertValue(each.get("assistant_mask"), int[].class);
        Conversation conversation = new Conversation(Resources.messages(each.get("messages")), null);
        if (Arrays.stream(mask).sum() == 0) {
            assertRejected(tokenizer, conversation, "no_assistant_turn", "has the role assistant");
            return;
        }
        Tokenized tokenized = (Tokenized) tokenizer.tokenize(conversation);
        assertThat(tokenized.inputIds()).isEqualTo(Resources.JSON.convertValue(each.get("input_ids"), int[].class));
        for (int i = 0; i < mask.length; i++) {
            assertThat(tokenized.labels()[i]).isEqualTo(mask[i] == 1 ? tokenized.inputIds()[i] : -100);
        }
    }

    @Test
    void countsTheWholeLastCharacter() {
        String template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
        Tokenized tokenized =
                (Tokenized) tokenizer(template, 99).tokenize(conversation("assistant", "cat \uD83E\uDD80"));
        assertThat(counted(tokenized)).isEqualTo("cat \uD83E\uDD80");
    }

    @Test
    void everythingCountsWithoutAssistantOnlyLoss() {
        ConversationTokenizer all = new ConversationTokenizer(bpe, new Settings(null, 99, false, true));
        Tokenized tokenized = (Tokenized) all.tokenize(conversation("user", "cat"));
        assertThat(tokenized.labels()).isEqualTo(tokenized.inputIds());
    }

    @Test
    void completionsCountAndEnd() {
        Tokenized tokenized = (Tokenized) tokenizer(null, 99).tokenize(new PromptCompletion("the cat", " is blue"));
        assertThat(counted(tokenized)).isEqualTo(" is blue</s>");
        assertThat(bpe.decode(tokenized.inputIds(), false)).isEqualTo("<s>the cat is blue</s>");
        ConversationTokenizer all = new ConversationTokenizer(bpe, new Settings(null, 99, true, false));
        assertThat(counted((Tokenized) all.tokenize(new PromptCompletion("the ", "cat</s>"))))
                .isEqualTo("<s>the cat</s>");
    }

    @Test
    void aTokenOverTheBorderCounts() {
        Tokenized tokenized = (Tokenized) tokenizer(null, 99).tokenize(new PromptCompletion("the cat ", "is blue"));
        assertThat(counted(tokenized)).as("' is' is one token").isEqualTo(" is blue</s>");
    }

    @Test
    void textCountsAndEnds() {
        Tokenized tokenized = (Tokenized) tokenizer(null, 99).tokenize(new Text("the cat"));
        assertThat(counted(tokenized)).isEqualTo("<s>the cat</s>");
        assertThat(tokenized.truncated()).isFalse();
    }

    @Test
    void cutsAtTheEnd() {
        Tokenized whole = (Tokenized) tokenizer(null, 99).tokenize(new Text("the cat is on the house"));
        Tokenized cut = (Tokenized) tokenizer(null, 4).tokenize(new Text("the cat is on the house"));
        assertThat(cut.inputIds()).isEqualTo(Arrays.copyOf(whole.inputIds(), 4));
        assertThat(cut.labels()).hasSize(4);
        assertThat(cut.truncated()).isTrue();
    }

    @Test
    void rejectsWhatHasNoTarget() {
        assertRejected(
                tokenizer(null, 5),
                conversation("user", "the cat is on the house", "assistant", "yes"),
                "no_target_tokens",
                "none of the first 5 of");
        assertRejected(tokenizer(null, 1), new Text("cat"), "no_target_tokens", "max_seq_length is 1");
    }

    @Test
    void rejectsBadConversations() {
        ConversationTokenizer tokenizer = tokenizer(null, 99);
        assertRejected(tokenizer, conversation(), "empty_conversation", "no messages");
        assertRejected(tokenizer, conversation(null, "x"), "bad_role", "the role of message 0 is null");
        assertRejected(tokenizer, conversation("user", null), "null_content", "message 0 (user) has neither");
        assertRejected(tokenizer, conversation("user", "x"), "no_assistant_turn", "none of the 1 messages");
        assertRejected(
                tokenizer,
                conversation("user", "x", "assistant", List.of("y")),
                "template_error",
                "can only concatenate list (not \"str\") to list, line 2 of the template");
    }

    @Test
    void rejectsWhatTheTemplateRefuses() {
        String template = "{{ raise_exception('no ' ~ messages[0].role) }}";
        assertRejected(
                tokenizer(template, 99),
                conversation("user", "x", "assistant", "y"),
                "template_error",
                "no user, line 1");
    }

    @Test
    void rejectsMarksThatMarkNothing() {
        String template = "{% for m in messages %}{{ m.content }}{% endfor %}{% generation %}{% endgeneration %}";
        assertRejected(
                tokenizer(template, 99),
                conversation("user", "x", "assistant", "y"),
                "empty_assistant_mask",
                "marks assistant text by {% generation %}, but nothing of this conversation");
    }

    @Test
    void rejectsBeginningsThatRenderOtherwise() {
        String template = "{{ messages|length }}" + PLAIN;
        assertRejected(
                tokenizer(template, 99),
                conversation("user", "x", "assistant", "y", "user", "z"),
                "not_a_prefix",
                "set assistant_only_loss to false");
    }

    @Test
    void toolCallsNeedNoContent() {
        Map<String, Object> call = message("assistant", null);
        call.put("tool_calls", List.of(Map.of("name", "f")));
        String template = "{% for m in messages %}[{{ m.content or m.tool_calls|tojson }}]{% endfor %}";
        Tokenized tokenized = (Tokenized)
                tokenizer(template, 99).tokenize(new Conversation(List.of(message("user", "x"), call), null));
        assertThat(counted(tokenized)).isEqualTo("[[{\"name\": \"f\"}]]");
    }

    @Test
    void toolsReachTheTemplateAndTheirAnswersDoNotCount() {
        Map<String, Object> call = message("assistant", null);
        call.put("tool_calls", List.of(Map.of("type", "function", "function", Map.of("name", "add"))));
        String template = "{% for t in tools %}<{{ t.name }}>{% endfor %}{% for m in messages %}[{{ m.role }}:"
                + "{% if m.role == 'assistant' %}{% generation %}"
                + "{{ m.content or m.tool_calls[0].function.name }}]{% endgeneration %}"
                + "{% else %}{{ m.content }}]{% endif %}{% endfor %}";
        Conversation example = new Conversation(
                List.of(message("user", "1+1?"), call, message("tool", "2"), message("assistant", "Two.")),
                List.of(Map.of("name", "add")));
        Tokenized tokenized = (Tokenized) tokenizer(template, 99).tokenize(example);
        assertThat(bpe.decode(tokenized.inputIds(), false))
                .isEqualTo("<add>[user:1+1?][assistant:add][tool:2][assistant:Two.]");
        assertThat(counted(tokenized)).isEqualTo("add]Two.]");
    }

    @Test
    void ofAPromptAndACompletionOfMessagesTheCompletionCounts() {
        Conversation whole = conversation("user", "a", "assistant", "b", "user", "c", "assistant", "d");
        Conversation pair = new Conversation(whole.messages(), null, 3);
        String marked = PLAIN.replace(
                "{{ m.content }}",
                "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}"
                        + "{{ m.content }}{% endif %}");
        assertThat(countedText(PLAIN, pair, true, true)).isEqualTo("d<|im_end|>\n");
        assertThat(countedText(PLAIN, pair, false, true)).isEqualTo("d<|im_end|>\n");
        assertThat(countedText(marked, pair, true, true)).isEqualTo("d");
        assertThat(countedText(marked, pair, false, true)).isEqualTo("d<|im_end|>\n");
        assertThat(countedText(marked, pair, true, false)).isEqualTo("bd");
        assertThat(countedText(marked, whole, true, true)).isEqualTo("bd");
        assertRejected(tokenizer("{{ messages|length }}" + PLAIN, 99), pair, "not_a_prefix", "message 3 changes how");
        assertRejected(
                tokenizer(PLAIN, 99),
                new Conversation(conversation("assistant", "a", "user", "b").messages(), null, 1),
                "no_assistant_turn",
                "none of the 1 messages of the completion");
    }

    private static String countedText(String template, Conversation example, boolean assistant, boolean completion) {
        Settings settings = new Settings(template, 99, assistant, completion);
        return counted((Tokenized) new ConversationTokenizer(bpe, settings).tokenize(example));
    }

    @Test
    void batchesKeepTheirOrder() {
        assertThat(tokenizer(null, 99).tokenize(List.of(new Text("cat"), conversation(), new Text("dog"))))
                .satisfiesExactly(
                        first -> assertThat(first).isInstanceOf(Tokenized.class),
                        second -> assertThat(second).isInstanceOf(Rejected.class),
                        third -> assertThat(third).isInstanceOf(Tokenized.class));
        assertThat(tokenizer(null, 99).tokenize(Collections.emptyList())).isEmpty();
    }

    @Test
    void badTemplatesFailAtOnce() {
        assertThatThrownBy(() -> tokenizer("a\n{% for %}", 99))
                .hasMessageStartingWith("QLORA-D003")
                .hasMessageContaining("of the key chat_template fails at line 2: Expected an expression, got"
                        + " 'end of statement block'");
    }

    @Test
    void conversationsNeedATemplate(@TempDir Path dir) {
        Resources.byteLevel(dir, "{\"eos_token\":\"</s>\"}");
        try (TextTokenizer bytes = TextTokenizer.open(dir)) {
            ConversationTokenizer tokenizer = new ConversationTokenizer(bytes, new Settings(null, 99, true, true));
            assertThat(tokenizer.tokenize(new Text("x"))).isInstanceOf(Tokenized.class);
            assertThatThrownBy(() -> tokenizer.tokenize(conversation("user", "x")))
                    .hasMessageStartingWith("QLORA-D004");
        }
    }
}
