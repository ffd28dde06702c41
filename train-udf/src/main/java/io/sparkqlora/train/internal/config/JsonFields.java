// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.TrainErrors;
import java.util.ArrayList;
import java.util.List;

/**
 * Typed reading of a JSON object, with errors that name file, key and value.
 *
 * @param json the object
 * @param source what errors call the file
 * @param prefix put before keys in errors
 */
record JsonFields(ObjectNode json, String source, String prefix) {

    /** Whether the key is there and not null. */
    boolean has(String key) {
        return json.hasNonNull(key);
    }

    /** A positive integer. */
    int positiveInt(String key) {
        JsonNode node = json.path(key);
        if (!node.isNumber() || !node.canConvertToExactIntegral() || !node.canConvertToInt() || node.asInt() <= 0) {
            throw wrong(key, "a positive integer");
        }
        return node.asInt();
    }

    /** A positive integer, or {@code otherwise} where the key is absent or null. */
    int positiveInt(String key, int otherwise) {
        return has(key) ? positiveInt(key) : otherwise;
    }

    /** A finite number over zero. */
    double positive(String key) {
        JsonNode node = json.path(key);
        double value = node.asDouble();
        if (!node.isNumber() || !(value > 0) || Double.isInfinite(value)) {
            throw wrong(key, "a number over 0");
        }
        return value;
    }

    /** A boolean; false where it is absent or null. */
    boolean flag(String key) {
        if (has(key) && !json.path(key).isBoolean()) {
            throw wrong(key, "true or false");
        }
        return json.path(key).asBoolean(false);
    }

    /** A text. */
    String text(String key) {
        if (!json.path(key).isTextual()) {
            throw wrong(key, "a string");
        }
        return json.path(key).asText();
    }

    /** An object, or null where the key is absent or null. */
    JsonFields object(String key) {
        if (!has(key)) {
            return null;
        }
        if (!(json.path(key) instanceof ObjectNode object)) {
            throw wrong(key, "an object");
        }
        return new JsonFields(object, source, prefix + key + ".");
    }

    /** Token ids written as nothing, one integer or a list of them. */
    List<Integer> tokenIds(String key) {
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
    Integer tokenIdOrNull(String key) {
        return has(key) ? tokenId(key, json.path(key)) : null;
    }

    private Integer tokenId(String key, JsonNode node) {
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw wrong(key, "a token id");
        }
        return node.asInt();
    }

    /** The error for a value that is not as {@code expected}. */
    QLoraException wrong(String key, String expected) {
        JsonNode node = json.get(key);
        String actual = node == null ? "absent" : node.toString();
        return TrainErrors.configValue(source, prefix + key, abbreviate(actual), expected);
    }

    private static String abbreviate(String text) {
        return text.length() <= 80 ? text : text.substring(0, 77) + "...";
    }
}
