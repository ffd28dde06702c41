// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Test data beside the tests. */
final class Resources {

    static final ObjectMapper JSON = new ObjectMapper();

    private Resources() {}

    static Path path(String name) {
        try {
            return Path.of(Resources.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    static JsonNode json(String name) {
        try {
            return JSON.readTree(path(name).toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @SuppressWarnings("unchecked")
    static List<Map<String, Object>> messages(JsonNode node) {
        return JSON.convertValue(node, List.class);
    }

    /** A copy of the byte-level tokenizer with this tokenizer_config.json. */
    static Path byteLevel(Path dir, String config) {
        try {
            Files.copy(path("byte-level/tokenizer.json"), dir.resolve("tokenizer.json"));
            Files.writeString(dir.resolve("tokenizer_config.json"), config);
            return dir;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
