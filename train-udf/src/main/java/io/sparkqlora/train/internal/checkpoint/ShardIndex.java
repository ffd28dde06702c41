// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.internal.json.JsonFields;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** {@code model.safetensors.index.json}: which shard holds which tensor. */
final class ShardIndex {

    /** A name in the checkpoint's own folder: an index must not lead out of it. */
    private static final Pattern SHARD = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]*\\.safetensors");

    private ShardIndex() {}

    /** File name by tensor name. */
    static Map<String, String> read(Path index) {
        JsonNode map = JsonFields.read(index, "download it").json().path("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw CheckpointErrors.badIndex(index, "weight_map is no object or has no entry");
        }
        Map<String, String> files = new LinkedHashMap<>();
        map.fields().forEachRemaining(e -> files.put(e.getKey(), shard(index, e.getValue())));
        return files;
    }

    private static String shard(Path index, JsonNode value) {
        if (!value.isTextual() || !SHARD.matcher(value.asText()).matches()) {
            throw CheckpointErrors.badIndex(
                    index, "weight_map names " + value + ", which is no safetensors file's name");
        }
        return value.asText();
    }
}
