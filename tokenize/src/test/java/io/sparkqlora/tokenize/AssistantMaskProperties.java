// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.tokenize.ConversationTokenizer.Settings;
import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.Example.PromptCompletion;
import io.sparkqlora.tokenize.internal.Outcome.Tokenized;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

/** What counts, decoded, is what the assistant says: for any text, of any planes, with combining marks and joiners. */
class AssistantMaskProperties {

    /** A special token on either side of each text: no token can reach over the border. */
    private static final String PLAIN = "{% for m in messages %}{{ m.role }}<|im_start|>{{ m.content }}<|im_end|>"
            + "{% endfor %}{% if add_generation_prompt %}assistant<|im_start|>{% endif %}";

    private static final String MARKED = "{% for m in messages %}{{ m.role }}<|im_start|>{% if m.role == 'user' %}"
            + "{{ m.content }}<|im_end|>{% else %}{% generation %}{{ m.content }}<|im_end|>{% endgeneration %}"
            + "{% endif %}{% endfor %}";

    private static TextTokenizer tokenizer;

    @BeforeContainer
    static void open() {
        tokenizer = TextTokenizer.open(Resources.path("bpe"));
    }

    @AfterContainer
    static void close() {
        tokenizer.close();
    }

    @Provide
    Arbitrary<String> texts() {
        return Arbitraries.of(
                        "a",
                        "cat",
                        " ",
                        "\n",
                        "é",
                        "e\u0301",
                        "中",
                        "🙂",
                        "👩‍👩‍👧",
                        "\uD834\uDD1E",
                        "ß",
                        "ﬁ",
                        "\u200D",
                        "\uFE0F",
                        "1",
                        "<",
                        "|im_",
                        "م",
                        "\u00A0",
                        "the ")
                .list()
                .ofMinSize(1)
                .ofMaxSize(12)
                .map(parts -> String.join("", parts));
    }

    private static String counted(Tokenized tokenized) {
        return tokenizer.decode(
                Arrays.stream(tokenized.labels()).filter(label -> label >= 0).toArray(), false);
    }

    private static Conversation conversation(List<String> texts) {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            messages.add(Map.of("role", i % 2 == 0 ? "user" : "assistant", "content", texts.get(i)));
        }
        return new Conversation(messages, null);
    }

    private static String spoken(List<String> texts) {
        StringBuilder spoken = new StringBuilder();
        for (int i = 1; i < texts.size(); i += 2) {
            spoken.append(texts.get(i)).append("<|im_end|>");
        }
        return spoken.toString();
    }

    @Property(tries = 300)
    void marksCountWhatTheAssistantSays(
            @ForAll("texts") String a,
            @ForAll("texts") String b,
            @ForAll("texts") String c,
            @ForAll("texts") String d) {
        List<String> texts = List.of(a, b, c, d);
        ConversationTokenizer marked = new ConversationTokenizer(tokenizer, new Settings(MARKED, 10_000, true, true));
        assertThat(counted((Tokenized) marked.tokenize(conversation(texts)))).isEqualTo(spoken(texts));
    }

    @Property(tries = 300)
    void prefixesCountWhatTheAssistantSays(
            @ForAll("texts") String a,
            @ForAll("texts") String b,
            @ForAll("texts") String c,
            @ForAll("texts") String d) {
        List<String> texts = List.of(a, b, c, d);
        ConversationTokenizer plain = new ConversationTokenizer(tokenizer, new Settings(PLAIN, 10_000, true, true));
        Tokenized tokenized = (Tokenized) plain.tokenize(conversation(texts));
        assertThat(counted(tokenized)).isEqualTo(spoken(texts));
    }

    @Property(tries = 300)
    void completionsCountToTheEnd(@ForAll("texts") String prompt, @ForAll("texts") String completion) {
        ConversationTokenizer plain = new ConversationTokenizer(tokenizer, new Settings(null, 10_000, true, true));
        Tokenized tokenized = (Tokenized) plain.tokenize(new PromptCompletion(prompt, completion));
        assertThat(tokenizer.decode(tokenized.inputIds(), false)).isEqualTo("<s>" + prompt + completion + "</s>");
        // a token may reach over the border: then the completion is the end of what counts
        assertThat(counted(tokenized)).endsWith(completion + "</s>");
        boolean[] ignored = new boolean[tokenized.labels().length];
        for (int i = 0; i < ignored.length; i++) {
            ignored[i] = tokenized.labels()[i] < 0;
        }
        int border = 0;
        while (ignored[border]) {
            border++;
        }
        assertThat(tokenizer
                        .decode(Arrays.copyOf(tokenized.inputIds(), border), false)
                        .length())
                .isLessThanOrEqualTo("<s>".length() + prompt.length());
        for (int i = border; i < ignored.length; i++) {
            assertThat(ignored[i]).isFalse();
        }
    }
}
