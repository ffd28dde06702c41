// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.json;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.CheckpointErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Typed reading of a JSON object, with errors that name file, key and value.
 *
 * @param json the object
 * @param source what errors call the file
 * @param prefix put before keys in errors
 */
public record JsonFields(ObjectNode json, String source, String prefix) {

    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * Reads a file.
     *
     * @param missingFix what to do if it does not exist
     * @throws QLoraException INPUT if it is missing or no JSON object
     */
    public static JsonFields read(Path file, String missingFix) {
        try {
            return parse(Files.readString(file), file.toString());
        } catch (NoSuchFileException e) {
            throw CheckpointErrors.fileMissing(file, missingFix);
        } catch (IOException e) {
            throw CheckpointErrors.unreadable(file, e);
        }
    }

    /** Parses a text; {@code source} is what errors call it. */
    public static JsonFields parse(String json, String source) {
        try {
            if (JSON.readTree(json) instanceof ObjectNode object) {
                return new JsonFields(object, source, "");
            }
            throw CheckpointErrors.badJson(source, "an object in braces is expected", null);
        } catch (JsonProcessingException e) {
            throw CheckpointErrors.badJson(source, problem(e), e);
        }
    }

    /** The parser's message without the place where the open object began, of which it shows nothing, and with the line. */
    private static String problem(JsonProcessingException e) {
        String message = e.getOriginalMessage().replaceFirst(" \\(start marker at .*", "");
        return e.getLocation() == null
                ? message
                : message + " (line " + e.getLocation().getLineNr() + ")";
    }

    /** Whether the key is there and not null. */
    public boolean has(String key) {
        return json.hasNonNull(key);
    }

    /** A positive integer. */
    public int positiveInt(String key) {
        JsonNode node = json.path(key);
        if (!node.isNumber() || !node.canConvertToExactIntegral() || !node.canConvertToInt() || node.asInt() <= 0) {
            throw wrong(key, "a positive integer");
        }
        return node.asInt();
    }

    /** A positive integer, or {@code otherwise} where the key is absent or null. */
    public int positiveInt(String key, int otherwise) {
        return has(key) ? positiveInt(key) : otherwise;
    }

    /** An integer, not negative. */
    public int count(String key) {
        JsonNode node = json.path(key);
        if (!node.isIntegralNumber() || !node.canConvertToInt() || node.asInt() < 0) {
            throw wrong(key, "an integer, 0 or more");
        }
        return node.asInt();
    }

    /** A finite number over zero. */
    public double positive(String key) {
        JsonNode node = json.path(key);
        double value = node.asDouble();
        if (!node.isNumber() || !(value > 0) || Double.isInfinite(value)) {
            throw wrong(key, "a number over 0");
        }
        return value;
    }

    /** A finite number, 0 or more. */
    public double notNegative(String key) {
        JsonNode node = json.path(key);
        double value = node.asDouble();
        if (!node.isNumber() || !(value >= 0) || Double.isInfinite(value)) {
            throw wrong(key, "a number, 0 or more");
        }
        return value;
    }

    /** A boolean; false where it is absent or null. */
    public boolean flag(String key) {
        if (has(key) && !json.path(key).isBoolean()) {
            throw wrong(key, "true or false");
        }
        return json.path(key).asBoolean(false);
    }

    /** A text. */
    public String text(String key) {
        if (!json.path(key).isTextual()) {
            throw wrong(key, "a string");
        }
        return json.path(key).asText();
    }

    /** A list of texts. */
    public List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        for (JsonNode node : json.path(key)) {
            if (!node.isTextual()) {
                throw wrong(key, "a list of strings");
            }
            texts.add(node.asText());
        }
        if (!json.path(key).isArray()) {
            throw wrong(key, "a list of strings");
        }
        return texts;
    }

    /** A list of {@code count} finite numbers over zero. */
    public List<Double> positives(String key, int count) {
        List<Double> numbers = new ArrayList<>();
        json.path(key).forEach(node -> numbers.add(node.isNumber() ? node.asDouble() : Double.NaN));
        boolean good = numbers.stream().allMatch(number -> number > 0 && !number.isInfinite());
        if (!json.path(key).isArray() || numbers.size() != count || !good) {
            throw wrong(key, "a list of " + count + " numbers over 0");
        }
        return numbers;
    }

    /** An object, or null where the key is absent or null. */
    public JsonFields object(String key) {
        if (!has(key)) {
            return null;
        }
        if (!(json.path(key) instanceof ObjectNode object)) {
            throw wrong(key, "an object");
        }
        return new JsonFields(object, source, prefix + key + ".");
    }

    /** Token ids written as nothing, one integer or a list of them. */
    public List<Integer> tokenIds(String key) {
        JsonNode node = json.path(key);
        List<Integer> ids = new ArrayList<>();
        if (node.isArray()) {
            node.forEach(one -> ids.add(tokenId(key, one)));
        } else if (has(key)) {
            ids.add(tokenId(key, node));
        }
        return List.copyOf(ids);
    }

    /** A token id, or null. */
    public Integer tokenIdOrNull(String key) {
        return has(key) ? tokenId(key, json.path(key)) : null;
    }

    private Integer tokenId(String key, JsonNode node) {
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw wrong(key, "a token id");
        }
        return node.asInt();
    }

    /** The error for a value that is not as {@code expected}. */
    public QLoraException wrong(String key, String expected) {
        JsonNode node = json.get(key);
        String actual = node == null ? "absent" : node.toString();
        return CheckpointErrors.configValue(source, prefix + key, abbreviate(actual), expected);
    }

    private static String abbreviate(String text) {
        return text.length() <= 80 ? text : text.substring(0, 77) + "...";
    }
}
