// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.TextParts;
import io.sparkqlora.tokenize.template.Template.Rendered;
import io.sparkqlora.tokenize.template.TemplateException;
import io.sparkqlora.tokenize.template.TemplateSpan;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Renders conversations and finds what the assistant says in the text. */
final class AssistantSpans {

    private final TextTokenizer tokenizer;
    private final ChatTemplate template;
    private final ChatTemplate toolTemplate;
    private final Set<ChatTemplate> takeParts;

    AssistantSpans(TextTokenizer tokenizer, ChatTemplate template, ChatTemplate toolTemplate) {
        this.tokenizer = tokenizer;
        this.template = template;
        this.toolTemplate = toolTemplate;
        this.takeParts =
                Stream.of(template, toolTemplate).filter(this::takesParts).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * Whether a template that is given content as a list of text parts writes the text. Others write the list as Python prints it,
     * or nothing, or fail: they get the text.
     */
    private boolean takesParts(ChatTemplate each) {
        if (each == null) {
            return false;
        }
        String text = "some text";
        try {
            String expected = each.render(context(user(text), null, false)).text();
            return each.render(context(user(TextParts.of(text)), null, false))
                    .text()
                    .equals(expected);
        } catch (TemplateException e) {
            return false;
        }
    }

    private static List<Map<String, Object>> user(Object content) {
        return List.of(Map.of("role", "user", "content", content));
    }

    /** The conversation's text, with the spans that the template itself marks. */
    Rendered render(Conversation conversation) throws RejectedExample {
        return render(conversation, conversation.messages().size(), false);
    }

    /** The conversation's text and what comes before the assistant's next turn. */
    String renderPrompt(Conversation conversation) throws RejectedExample {
        return render(conversation, conversation.messages().size(), true).text();
    }

    /**
     * The conversation's text with the assistant's spans: the template's own marks, or else found by prefixes.
     *
     * @param from the first message that counts
     */
    Rendered renderWithSpans(Conversation conversation, int from) throws RejectedExample {
        requireAssistant(conversation.messages(), from);
        Rendered rendered = render(conversation);
        if (!template(conversation).marksAssistant()) {
            return new Rendered(rendered.text(), byPrefix(conversation, rendered.text(), from));
        }
        int start = startOf(conversation, from, rendered.text());
        int length = rendered.text().length();
        List<TemplateSpan> spans = rendered.assistantSpans().stream()
                .map(span -> new TemplateSpan(Math.max(start, span.start()), span.end()))
                .filter(span -> span.start() < span.end() && span.start() < length)
                .toList();
        if (spans.isEmpty()) {
            throw new RejectedExample(
                    RejectionReason.EMPTY_ASSISTANT_MASK,
                    "the template marks assistant text by {% generation %}, but nothing of this conversation");
        }
        return new Rendered(rendered.text(), spans);
    }

    /** The conversation's text, with all of it from a message on as its one span. */
    Rendered renderFrom(Conversation conversation, int from) throws RejectedExample {
        String text = render(conversation).text();
        int start = startOf(conversation, from, text);
        return new Rendered(text, List.of(new TemplateSpan(start, text.length())));
    }

    /** Where the answer to what stands before a message begins. */
    private int startOf(Conversation conversation, int message, String text) throws RejectedExample {
        if (message == 0) {
            return 0;
        }
        String before = render(conversation, message, true).text();
        if (!text.startsWith(before)) {
            throw notAPrefix(message);
        }
        return before.length();
    }

    private ChatTemplate template(Conversation conversation) {
        return conversation.tools() != null && toolTemplate != null ? toolTemplate : template;
    }

    private static boolean isAssistant(Map<String, Object> message) {
        return "assistant".equals(message.get("role"));
    }

    private static void requireAssistant(List<Map<String, Object>> messages, int from) throws RejectedExample {
        if (messages.stream().skip(from).noneMatch(AssistantSpans::isAssistant)) {
            throw new RejectedExample(
                    RejectionReason.NO_ASSISTANT_TURN,
                    "none of the " + (messages.size() - from)
                            + (from == 0 ? " messages" : " messages of the completion") + " has the role assistant");
        }
    }

    /**
     * An assistant turn is what its message adds to the text of those before it with the generation prompt: what the
     * model will be asked to write. Holds only if beginnings render to beginnings.
     */
    private List<TemplateSpan> byPrefix(Conversation conversation, String text, int from) throws RejectedExample {
        List<TemplateSpan> spans = new ArrayList<>();
        List<Map<String, Object>> messages = conversation.messages();
        for (int i = from; i < messages.size(); i++) {
            if (isAssistant(messages.get(i))) {
                String before = render(conversation, i, true).text();
                boolean last = i + 1 == messages.size();
                String with = last ? text : render(conversation, i + 1, false).text();
                if (!with.startsWith(before) || !text.startsWith(with)) {
                    throw notAPrefix(i);
                }
                spans.add(new TemplateSpan(before.length(), with.length()));
            }
        }
        return spans;
    }

    private static RejectedExample notAPrefix(int index) {
        return new RejectedExample(
                RejectionReason.NOT_A_PREFIX,
                "message " + index
                        + " changes how what stands before it renders, so its text can't be told apart; mark "
                        + "assistant text in the chat template by {% generation %}…{% endgeneration %}, or set "
                        + "assistant_only_loss to false");
    }

    private Rendered render(Conversation conversation, int count, boolean generationPrompt) throws RejectedExample {
        ChatTemplate chosen = template(conversation);
        List<Map<String, Object>> messages = conversation.messages().subList(0, count);
        List<Map<String, Object>> given = takeParts.contains(chosen) ? messages : TextParts.joined(messages);
        try {
            return chosen.render(context(given, conversation.tools(), generationPrompt));
        } catch (TemplateException e) {
            String part = count < conversation.messages().size()
                    ? " (rendering the first " + count + " messages, to find what the assistant says)"
                    : "";
            throw new RejectedExample(
                    RejectionReason.TEMPLATE_ERROR, e.getMessage() + part + ", line " + e.line() + " of the template");
        }
    }

    private Map<String, Object> context(
            List<Map<String, Object>> messages, List<Object> tools, boolean generationPrompt) {
        Map<String, Object> context = new HashMap<>(tokenizer.specialTokens());
        context.put("messages", messages);
        context.put("tools", tools);
        context.put("documents", null);
        context.put("add_generation_prompt", generationPrompt);
        return context;
    }
}
