// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.internal.Example;
import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.Example.Preference;
import io.sparkqlora.tokenize.internal.Example.PromptCompletion;
import io.sparkqlora.tokenize.internal.Example.Text;
import io.sparkqlora.tokenize.internal.Example.Tokens;
import io.sparkqlora.tokenize.internal.ExampleTokenizer;
import io.sparkqlora.tokenize.internal.Outcome;
import io.sparkqlora.tokenize.internal.Outcome.Tokenized;
import io.sparkqlora.tokenize.template.Template.Rendered;
import io.sparkqlora.tokenize.template.TemplateException;
import io.sparkqlora.tokenize.template.TemplateSpan;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Turns examples into token ids and labels as TRL's SFTTrainer does: a conversation goes through the chat template and
 * its assistant turns count; of a prompt and its completion the completion counts; of plain text everything. Prompts with
 * completions and texts end with the end-of-sequence token and get the tokenizer's own special tokens; a conversation
 * gets those that its template writes. Thread-safe.
 */
public final class ConversationTokenizer implements ExampleTokenizer {

    /** The label of a token that doesn't count in the loss. */
    public static final int IGNORED = -100;

    private final TextTokenizer tokenizer;
    private final Settings settings;
    private final AssistantSpans spans;

    /**
     * What counts, and how much of it.
     *
     * @param chatTemplate a template in place of the tokenizer's own, or null
     * @param chatTemplateDate the day that {@code strftime_now} tells a template
     * @param maxSeqLength the longest sequence in tokens; what is longer is cut at its end
     * @param assistantOnlyLoss whether only the assistant's turns of a conversation count
     * @param completionOnlyLoss whether only the completion counts beside its prompt
     * @param addGenerationPrompt whether examples are prompts: a conversation goes up to where the assistant is to speak, a text
     *     has no end-of-sequence token, nothing counts, and nothing is cut
     */
    public record Settings(
            String chatTemplate,
            LocalDate chatTemplateDate,
            int maxSeqLength,
            boolean assistantOnlyLoss,
            boolean completionOnlyLoss,
            boolean addGenerationPrompt) {

        /** Of whole examples. */
        public Settings(
                String chatTemplate,
                LocalDate chatTemplateDate,
                int maxSeqLength,
                boolean assistantOnlyLoss,
                boolean completionOnlyLoss) {
            this(chatTemplate, chatTemplateDate, maxSeqLength, assistantOnlyLoss, completionOnlyLoss, false);
        }

        /** The same on {@link TokenizeOptions#DEFAULT_DATE}. */
        public Settings(String chatTemplate, int maxSeqLength, boolean assistantOnlyLoss, boolean completionOnlyLoss) {
            this(chatTemplate, TokenizeOptions.DEFAULT_DATE, maxSeqLength, assistantOnlyLoss, completionOnlyLoss);
        }
    }

    /** @throws QLoraException QLORA-D003 if the chat template doesn't compile */
    public ConversationTokenizer(TextTokenizer tokenizer, Settings settings) {
        this.tokenizer = tokenizer;
        this.settings = settings;
        boolean own = settings.chatTemplate() == null;
        String source = own ? tokenizer.chatTemplate().orElse(null) : settings.chatTemplate();
        String toolSource = own ? tokenizer.toolTemplate().orElse(null) : null;
        this.spans = source == null
                ? null
                : new AssistantSpans(tokenizer, compile(source), toolSource == null ? null : compile(toolSource));
    }

    private ChatTemplate compile(String source) {
        try {
            return ChatTemplate.compile(source, settings.chatTemplateDate());
        } catch (TemplateException e) {
            String origin = settings.chatTemplate() == null ? tokenizer.dir().toString() : "the key chat_template";
            throw TokenizeErrors.badTemplate(origin, e.getMessage(), e.line());
        }
    }

    /** Tokenises examples; the results stand in their order. */
    public List<Outcome> tokenize(List<? extends Example> examples) {
        return examples.stream().map(this::tokenize).toList();
    }

    /**
     * Tokenises one example.
     *
     * @throws QLoraException only for what is wrong with the tokenizer: QLORA-D004 for a conversation without a
     *     template, QLORA-D006 for text without an end-of-sequence token
     */
    @Override
    public Outcome tokenize(Example example) {
        try {
            return settings.addGenerationPrompt() ? prompt(example) : whole(example);
        } catch (RejectedExample e) {
            return e.outcome();
        }
    }

    private Outcome whole(Example example) throws RejectedExample {
        if (example instanceof Preference preference) {
            return pair(preference);
        }
        if (example instanceof Conversation conversation) {
            return conversation(conversation);
        }
        if (example instanceof Tokens tokens) {
            return tokens(tokens);
        }
        return example instanceof PromptCompletion pair ? promptCompletion(pair) : text(((Text) example).text());
    }

    /** Both answers after their prompt; of each the answer counts, whatever counts elsewhere, as in TRL's DPOTrainer. */
    private Outcome pair(Preference preference) throws RejectedExample {
        Tokenized chosen = answer("chosen", preference.chosen());
        Tokenized rejected = answer("rejected", preference.rejected());
        if (Arrays.equals(chosen.inputIds(), rejected.inputIds())) {
            throw new RejectedExample(
                    RejectionReason.IDENTICAL_PAIR,
                    "chosen and rejected are the same " + chosen.inputIds().length + " tokens"
                            + (chosen.truncated() || rejected.truncated()
                                    ? "; max_seq_length cut off what differs"
                                    : ""));
        }
        return new Outcome.Pair(chosen, rejected);
    }

    private Tokenized answer(String which, Example example) throws RejectedExample {
        try {
            if (example instanceof Conversation conversation) {
                check(conversation.messages());
                requireTemplate();
                return counted(spans.renderFrom(conversation, conversation.prompt()));
            }
            return example instanceof Tokens tokens ? tokens(tokens) : completion((PromptCompletion) example);
        } catch (RejectedExample e) {
            throw e.in(which);
        }
    }

    private Outcome prompt(Example example) throws RejectedExample {
        int[] ids = example instanceof Conversation conversation
                ? tokenizer.encode(wellFormed(conversationPrompt(conversation)), false)
                : tokenizer.encode(wellFormed(((Text) example).text()), true);
        if (ids.length > settings.maxSeqLength()) {
            throw new RejectedExample(
                    RejectionReason.PROMPT_TOO_LONG,
                    "the prompt has " + ids.length + " tokens; max_seq_length is " + settings.maxSeqLength());
        }
        int[] labels = new int[ids.length];
        Arrays.fill(labels, IGNORED);
        return new Tokenized(ids, labels, false);
    }

    private void requireTemplate() {
        if (spans == null) {
            tokenizer.requireChatTemplate();
        }
    }

    private String conversationPrompt(Conversation conversation) throws RejectedExample {
        requireTemplate();
        check(conversation.messages());
        return spans.renderPrompt(conversation);
    }

    private Tokenized tokens(Tokens tokens) throws RejectedExample {
        int[] ids = tokens.inputIds();
        boolean[] counted = new boolean[ids.length];
        for (int i = 0; i < ids.length; i++) {
            int label = tokens.labels()[i];
            counted[i] = label == ids[i];
            if (ids[i] < 0 || ids[i] > tokenizer.largestId() || (!counted[i] && label != IGNORED)) {
                throw new RejectedExample(
                        RejectionReason.INVALID_TOKENS,
                        "token " + i + " is " + ids[i] + " with label " + label + "; the tokenizer's ids end at "
                                + tokenizer.largestId() + ", and a label is its token or " + IGNORED);
            }
        }
        return outcome(ids, counted);
    }

    private Tokenized conversation(Conversation conversation) throws RejectedExample {
        requireTemplate();
        check(conversation.messages());
        int from = settings.completionOnlyLoss() ? conversation.prompt() : 0;
        if (!settings.assistantOnlyLoss() && from == 0) {
            return all(tokenizer.encode(wellFormed(spans.render(conversation).text()), false));
        }
        return counted(
                settings.assistantOnlyLoss()
                        ? spans.renderWithSpans(conversation, from)
                        : spans.renderFrom(conversation, from));
    }

    private Tokenized counted(Rendered rendered) throws RejectedExample {
        TokenOffsets tokens = tokenizer.encodeWithOffsets(wellFormed(rendered.text()), false);
        boolean[] counted = new boolean[tokens.ids().length];
        int from = 0;
        for (TemplateSpan span : rendered.assistantSpans()) {
            from = tokens.mark(span, counted, span.start() < startOf(tokens, from) ? 0 : from);
        }
        return outcome(tokens.ids(), counted);
    }

    private static int startOf(TokenOffsets tokens, int token) {
        return token < tokens.ids().length ? tokens.starts()[token] : Integer.MAX_VALUE;
    }

    private static void check(List<Map<String, Object>> messages) throws RejectedExample {
        if (messages.isEmpty()) {
            throw new RejectedExample(RejectionReason.EMPTY_CONVERSATION, "the conversation has no messages");
        }
        for (int i = 0; i < messages.size(); i++) {
            Map<String, Object> message = messages.get(i);
            if (!(message.get("role") instanceof String role) || role.isEmpty()) {
                throw new RejectedExample(
                        RejectionReason.BAD_ROLE, "the role of message " + i + " is " + message.get("role"));
            }
            if (message.get("content") == null && message.get("tool_calls") == null) {
                throw new RejectedExample(
                        RejectionReason.NULL_CONTENT,
                        "message " + i + " (" + role + ") has neither content nor tool_calls");
            }
        }
    }

    private Outcome promptCompletion(PromptCompletion pair) throws RejectedExample {
        return settings.completionOnlyLoss()
                ? completion(pair)
                : all(tokenizer.encode(wellFormed(pair.prompt() + ended(pair.completion())), true));
    }

    /** A prompt and its completion, of which the completion counts. */
    private Tokenized completion(PromptCompletion pair) throws RejectedExample {
        String text = wellFormed(pair.prompt() + ended(pair.completion()));
        TokenOffsets tokens = tokenizer.encodeWithOffsets(text, true);
        boolean[] counted = new boolean[tokens.ids().length];
        Arrays.fill(counted, tokens.firstBeyond(pair.prompt().length()), counted.length, true);
        return outcome(tokens.ids(), counted);
    }

    private Outcome text(String text) throws RejectedExample {
        return all(tokenizer.encode(wellFormed(ended(text)), true));
    }

    /** JSON can write half of a surrogate pair; it is no character, and a tokenizer, which reads UTF-8, can't be given it. */
    private static String wellFormed(String text) throws RejectedExample {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                if (!Character.isSupplementaryCodePoint(text.codePointAt(i))) {
                    throw new RejectedExample(
                            RejectionReason.INVALID_UNICODE,
                            "the text has \\u" + Integer.toHexString(text.charAt(i)) + " at character " + (i + 1)
                                    + ", half of a surrogate pair without the other half");
                }
                i++;
            }
        }
        return text;
    }

    /** As in TRL the end-of-sequence token is part of the text, and not written twice. */
    private String ended(String text) {
        String eos = tokenizer.eosToken();
        return text.endsWith(eos) ? text : text + eos;
    }

    private Tokenized all(int[] ids) throws RejectedExample {
        boolean[] counted = new boolean[ids.length];
        Arrays.fill(counted, true);
        return outcome(ids, counted);
    }

    private Tokenized outcome(int[] ids, boolean[] counted) throws RejectedExample {
        int length = Math.min(ids.length, settings.maxSeqLength());
        int[] labels = new int[length];
        int targets = 0;
        for (int i = 0; i < length; i++) {
            labels[i] = counted[i] ? ids[i] : IGNORED;
            // nothing predicts the first token
            targets += counted[i] && i > 0 ? 1 : 0;
        }
        if (targets == 0) {
            throw new RejectedExample(
                    RejectionReason.NO_TARGET_TOKENS,
                    "none of the first " + length + " of " + ids.length + " tokens counts in the loss"
                            + (length < ids.length ? "; max_seq_length is " + settings.maxSeqLength() : ""));
        }
        return new Tokenized(length == ids.length ? ids : Arrays.copyOf(ids, length), labels, length < ids.length);
    }
}
