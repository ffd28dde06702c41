// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.template.Template;
import io.sparkqlora.tokenize.template.Template.Rendered;
import io.sparkqlora.tokenize.template.TemplateException;
import java.time.Clock;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * A chat template as Hugging Face tokenizers carry it, rendered as transformers' {@code apply_chat_template} renders
 * it. Immutable, usable by many threads.
 */
public final class ChatTemplate {

    private static final Pattern GENERATION = Pattern.compile("\\{%[-+]?\\s*generation\\s*-?%}");

    private final String source;
    private final Template template;
    private final Clock clock;

    private ChatTemplate(String source, Template template, Clock clock) {
        this.source = source;
        this.template = template;
        this.clock = clock;
    }

    /** Compiles a template; throws {@link TemplateException} with jinja2's message and the line if it can't. */
    public static ChatTemplate compile(String source) {
        return compile(source, Clock.systemDefaultZone());
    }

    /**
     * Compiles a template for which it is always midnight of a day: what it renders is a function of the conversation
     * alone.
     */
    public static ChatTemplate compile(String source, LocalDate today) {
        return compile(source, Clock.fixed(today.atStartOfDay().toInstant(ZoneOffset.UTC), ZoneOffset.UTC));
    }

    /** Compiles a template whose {@code strftime_now} reads the given clock. */
    public static ChatTemplate compile(String source, Clock clock) {
        return new ChatTemplate(source, Template.compile(source), clock);
    }

    /**
     * Renders the template.
     *
     * @param context messages, add_generation_prompt, tools, bos_token and whatever else the template reads: text,
     *     numbers, booleans, null, maps and lists of those
     * @return the text and the spans, in UTF-16 units, that the template marks as the assistant's
     * @throws TemplateException with jinja2's message and the line if the template fails or refuses the conversation
     */
    public Rendered render(Map<String, ?> context) {
        return template.render(context, clock);
    }

    /** Whether the template marks the assistant's text with {@code {% generation %}}. */
    public boolean marksAssistant() {
        return GENERATION.matcher(source).find();
    }

    /** The template's text. */
    public String source() {
        return source;
    }
}
