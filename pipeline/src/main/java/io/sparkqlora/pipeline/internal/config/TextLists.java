// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Optional;

/**
 * A text or a list of texts, kept as one text: a list of several is its JSON. So a key that had one value keeps its type, and
 * its value where it still has one.
 */
public final class TextLists {

    private static final ObjectMapper JSON = new ObjectMapper();

    private TextLists() {}

    /** The type of such a key. */
    public static ConfigType<String> type(String allowed) {
        ConfigType<List<String>> texts = ConfigTypes.texts(allowed);
        return new ConfigType<>(
                "string or list of strings", allowed, node -> texts.parse(node).map(TextLists::join), value -> true);
    }

    /** The type of a list of positive numbers, which may also be written with commas between them. */
    public static ConfigType<String> numbers(String allowed) {
        return new ConfigType<>("list of numbers", allowed, TextLists::joinNumbers, value -> true);
    }

    private static String join(List<String> texts) {
        return texts.size() == 1 ? texts.get(0) : JSON.valueToTree(texts).toString();
    }

    private static Optional<String> joinNumbers(JsonNode node) {
        String plain = node.isArray() ? node.toString() : node.asText();
        String text = (plain.startsWith("[") ? plain : "[" + plain + "]").replace("\"", "");
        try {
            List<Double> numbers = JSON.readValue(text, new TypeReference<>() {});
            boolean positive = !numbers.isEmpty() && numbers.stream().allMatch(n -> n != null && n > 0 && n < 1e9);
            return positive ? Optional.of(numbers.toString()) : Optional.empty();
        } catch (JsonProcessingException e) {
            return Optional.empty();
        }
    }

    /** The texts of a value. */
    public static List<String> of(String value) {
        if (!value.startsWith("[\"")) {
            return List.of(value);
        }
        try {
            return JSON.readValue(value, new TypeReference<>() {});
        } catch (JsonProcessingException e) {
            // a glob that begins with a bracket
            return List.of(value);
        }
    }

    /** The numbers of a value. */
    public static List<Double> numbersOf(String value) {
        try {
            return JSON.readValue(value, new TypeReference<>() {});
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a list of numbers: " + value, e);
        }
    }
}
