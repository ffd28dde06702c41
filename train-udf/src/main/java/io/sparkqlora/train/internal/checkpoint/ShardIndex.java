// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.train.TrainErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** {@code model.safetensors.index.json}: which shard holds which tensor. */
final class ShardIndex {

    private static final ObjectMapper JSON = new ObjectMapper();

    /** A name in the checkpoint's own folder: an index must not lead out of it. */
    private static final Pattern SHARD = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]*\\.safetensors");

    private ShardIndex() {}

    /** File name by tensor name. */
    static Map<String, String> read(Path index) {
        JsonNode map = parse(index).path("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw TrainErrors.badIndex(index, "weight_map is no object or has no entry");
        }
        Map<String, String> files = new LinkedHashMap<>();
        map.fields().forEachRemaining(e -> files.put(e.getKey(), shard(index, e.getValue())));
        return files;
    }

    private static String shard(Path index, JsonNode value) {
        if (!value.isTextual() || !SHARD.matcher(value.asText()).matches()) {
            throw TrainErrors.badIndex(index, "weight_map names " + value + ", which is no safetensors file's name");
        }
        return value.asText();
    }

    private static JsonNode parse(Path index) {
        try {
            return JSON.readTree(Files.readAllBytes(index));
        } catch (JsonProcessingException e) {
            throw TrainErrors.badJson(index.toString(), e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw TrainErrors.unreadable(index, e);
        }
    }
}
