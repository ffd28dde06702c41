// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.tokenize.template.Template.Rendered;
import io.sparkqlora.tokenize.template.TemplateException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** chat-templates.json holds what transformers 5.18 makes of seven templates, errors included. */
class ChatTemplateFixtureTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @TestFactory
    List<DynamicTest> rendersAsTransformersDoes() throws IOException {
        JsonNode fixture;
        try (InputStream in = ChatTemplateFixtureTest.class.getResourceAsStream("chat-templates.json")) {
            fixture = JSON.readTree(in);
        }
        assertThat(fixture.get("cases")).hasSizeGreaterThanOrEqualTo(84);
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode each : fixture.get("cases")) {
            String name = each.get("template").asText();
            tests.add(DynamicTest.dynamicTest(name + " " + tests.size(), () -> check(fixture, each)));
        }
        return tests;
    }

    private static void check(JsonNode fixture, JsonNode each) {
        ChatTemplate template = ChatTemplate.compile(
                fixture.get("templates").get(each.get("template").asText()).asText());
        Map<String, Object> context = context(fixture, each);
        if (each.has("error")) {
            assertThatThrownBy(() -> template.render(context))
                    .isInstanceOf(TemplateException.class)
                    .hasMessage(each.get("error").asText());
            return;
        }
        Rendered rendered = template.render(context);
        assertThat(rendered.text()).isEqualTo(each.get("expected").asText());
        assertThat(template.marksAssistant()).isEqualTo(template.source().contains("{% generation"));
    }

    private static Map<String, Object> context(JsonNode fixture, JsonNode each) {
        Map<String, Object> context = new HashMap<>();
        context.put("bos_token", fixture.get("bos_token").asText());
        context.put("eos_token", fixture.get("eos_token").asText());
        context.put("messages", JSON.convertValue(each.get("messages"), List.class));
        context.put("tools", null);
        context.put("documents", null);
        context.put("add_generation_prompt", each.get("add_generation_prompt").asBoolean());
        each.get("kwargs")
                .properties()
                .forEach(entry -> context.put(entry.getKey(), JSON.convertValue(entry.getValue(), Object.class)));
        return context;
    }
}
