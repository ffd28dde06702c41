// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Everything in template-reference.json, made by src/test/python/make_template_reference.py, errors included. */
class TemplateReferenceTest {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2024-07-05T08:09:03Z"), ZoneOffset.UTC);

    private static JsonNode reference() throws IOException {
        try (InputStream in =
                TemplateReferenceTest.class.getResourceAsStream("/io/sparkqlora/tokenize/template-reference.json")) {
            return JSON.readTree(in);
        }
    }

    @TestFactory
    List<DynamicTest> rendersChatTemplatesAsTransformersDoes() throws IOException {
        JsonNode reference = reference();
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode each : reference.get("cases")) {
            String name = each.get("t").asText() + " " + each.get("c") + " " + each.get("k");
            Map<String, Object> context = map(reference.get("base"));
            context.put(
                    "messages",
                    value(reference.get("conversations").get(each.get("c").asInt())));
            context.putAll(map(reference.get("kwargs").get(each.get("k").asInt())));
            String template =
                    reference.get("templates").get(each.get("t").asText()).asText();
            tests.add(DynamicTest.dynamicTest(name, () -> check(template, context, each)));
        }
        assertThat(tests).hasSizeGreaterThan(200);
        return tests;
    }

    @Test
    void evaluatesExpressionsAsJinja2Does() throws IOException {
        JsonNode reference = reference();
        Map<String, Object> variables = map(reference.get("variables"));
        assertThat(reference.get("expressions")).hasSizeGreaterThan(500);
        for (JsonNode each : reference.get("expressions")) {
            check("{{ " + each.get(0).asText() + " }}", variables, each.get(1));
        }
    }

    private static void check(String template, Map<String, Object> context, JsonNode expected) {
        Map<String, Object> outcome = new HashMap<>();
        try {
            Template.Rendered rendered = Template.compile(template).render(context, CLOCK);
            outcome.put("expected", rendered.text());
            if (!rendered.assistantSpans().isEmpty()) {
                outcome.put("spans", codePoints(rendered));
            }
        } catch (TemplateException e) {
            outcome.put("error", e.getMessage());
        }
        Map<String, Object> wanted = map(expected);
        wanted.keySet().retainAll(List.of("expected", "error", "spans"));
        assertThat(outcome).as(template).isEqualTo(wanted);
    }

    private static List<List<Integer>> codePoints(Template.Rendered rendered) {
        String text = rendered.text();
        return rendered.assistantSpans().stream()
                .map(span -> List.of(text.codePointCount(0, span.start()), text.codePointCount(0, span.end())))
                .toList();
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(JsonNode node) {
        return JSON.convertValue(node, HashMap.class);
    }

    private static Object value(JsonNode node) {
        return JSON.convertValue(node, Object.class);
    }
}
