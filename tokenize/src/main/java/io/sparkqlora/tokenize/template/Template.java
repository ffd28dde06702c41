// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A compiled template. Its language is jinja2's as Hugging Face sets it up for chat templates: an immutable sandbox with
 * trim_blocks, lstrip_blocks, loop controls, {@code {% generation %}}, {@code tojson} without HTML escapes,
 * {@code raise_exception} and {@code strftime_now}. Immutable, usable by many threads.
 */
public final class Template {

    private final List<Statement> body;

    private Template(List<Statement> body) {
        this.body = body;
    }

    /** Compiles a template; throws {@link TemplateException} with jinja2's message if it can't. */
    public static Template compile(String source) {
        try {
            return new Template(StatementParser.parse(source));
        } catch (StackOverflowError e) {
            throw new TemplateException("the template is nested too deeply");
        }
    }

    /**
     * Renders the template.
     *
     * @param context the variables: text, numbers, booleans, null, maps and lists of those
     * @param clock what {@code strftime_now} reads
     * @throws TemplateException with jinja2's message if the template fails or calls raise_exception
     */
    public Rendered render(Map<String, ?> context, Clock clock) {
        Map<String, Object> values = new LinkedHashMap<>();
        context.forEach((name, value) -> values.put(name, Values.of(value)));
        Render render = new Render(values, clock);
        try {
            Output out = Output.root();
            Statement.executeAll(body, Scope.root(render), out);
            return new Rendered(out.text(), out.spans());
        } catch (TemplateException e) {
            throw e.at(render.line());
        } catch (StackOverflowError e) {
            throw new TemplateException("maximum recursion depth exceeded", render.line());
        }
    }

    /**
     * A rendered text.
     *
     * @param assistantSpans what stood inside {@code {% generation %}}, in the order of the template
     */
    public record Rendered(String text, List<TemplateSpan> assistantSpans) {}
}
