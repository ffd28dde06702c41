// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.pipeline.HubErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;

/** Which files of a checkpoint hold its weights: others may lie beside them in other formats, as large as they. */
final class WeightFiles {

    /** A name in the checkpoint's own folder. */
    private static final Pattern SHARD = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9_.+-]*\\.safetensors");

    private static final Pattern PICKLED = Pattern.compile(".*\\.(bin|pt|pth|ckpt|pkl)");
    private static final ObjectMapper JSON = new ObjectMapper();

    private WeightFiles() {}

    /**
     * The file or the index that says which ones: what has to be there first.
     *
     * @param names what lies in the folder
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P189 if there are pickled weights only, QLORA-P193 if there are none
     */
    static String first(String where, Collection<String> names) {
        for (String name : List.of(BasePart.WEIGHTS, BasePart.INDEX)) {
            if (names.contains(name)) {
                return name;
            }
        }
        List<String> pickled = names.stream()
                .filter(name -> PICKLED.matcher(name).matches())
                .sorted()
                .toList();
        throw pickled.isEmpty() ? HubErrors.noWeights(where) : HubErrors.pickled(where, pickled.get(0));
    }

    /**
     * The shards that an index names.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P193 if it names none, or what can't be one
     */
    static List<String> shards(String where, Path index) {
        JsonNode map;
        try {
            map = JSON.readTree(Files.readAllBytes(index)).path("weight_map");
        } catch (IOException e) {
            throw HubErrors.badIndex(where, "it is no JSON");
        }
        TreeSet<String> shards = new TreeSet<>();
        map.forEach(shard -> shards.add(shard.asText()));
        if (shards.isEmpty()) {
            throw HubErrors.badIndex(where, "its weight_map has no entry");
        }
        shards.stream().filter(shard -> !SHARD.matcher(shard).matches()).forEach(shard -> {
            throw HubErrors.badIndex(
                    where, "its weight_map names '" + shard + "', which is no safetensors file beside it");
        });
        return List.copyOf(shards);
    }
}
