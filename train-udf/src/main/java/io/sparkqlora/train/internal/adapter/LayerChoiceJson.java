// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.adapter;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.train.LayerChoice;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.internal.json.JsonFields;
import java.util.ArrayList;
import java.util.List;

/** The keys of {@code adapter_config.json} that leave modules out. */
final class LayerChoiceJson {

    private LayerChoiceJson() {}

    static LayerChoice read(JsonFields fields) {
        return new LayerChoice(excluded(fields), numbers(fields), texts(fields, "layers_pattern"));
    }

    private static TargetModules excluded(JsonFields fields) {
        JsonNode node = fields.json().path("exclude_modules");
        if (node.isTextual() && !node.asText().isEmpty()) {
            return TargetModules.of(node.asText());
        }
        List<String> names = texts(fields, "exclude_modules");
        return names.isEmpty() ? null : TargetModules.names(names);
    }

    private static List<Integer> numbers(JsonFields fields) {
        List<Integer> numbers = new ArrayList<>();
        for (JsonNode item : items(fields, "layers_to_transform")) {
            if (!item.isInt() || item.asInt() < 0) {
                throw fields.wrong("layers_to_transform", "a number of a layer or a list of them");
            }
            numbers.add(item.asInt());
        }
        return numbers;
    }

    private static List<String> texts(JsonFields fields, String key) {
        List<String> texts = new ArrayList<>();
        for (JsonNode item : items(fields, key)) {
            if (!item.isTextual()) {
                throw fields.wrong(key, "a text or a list of texts");
            }
            texts.add(item.asText());
        }
        return texts;
    }

    /** One value or a list of them; none if it is null, absent or empty. */
    private static List<JsonNode> items(JsonFields fields, String key) {
        JsonNode node = fields.json().path(key);
        List<JsonNode> items = new ArrayList<>();
        if (node.isArray()) {
            node.forEach(items::add);
        } else if (!node.isMissingNode() && !node.isNull() && !node.asText("x").isEmpty()) {
            items.add(node);
        }
        return items;
    }
}
