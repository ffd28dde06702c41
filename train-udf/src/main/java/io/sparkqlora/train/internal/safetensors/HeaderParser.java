// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.train.CheckpointErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Parses the JSON of a safetensors header and checks every entry, and that together they fill the data exactly. */
final class HeaderParser {

    private static final String METADATA = "__metadata__";
    private static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    private final Path file;
    private final Map<String, TensorEntry> tensors = new LinkedHashMap<>();
    private final Map<String, String> metadata = new LinkedHashMap<>();

    private HeaderParser(Path file) {
        this.file = file;
    }

    /**
     * @param dataBytes bytes that follow the header in the file
     */
    static SafetensorsHeader parse(Path file, ByteBuffer bytes, long dataBytes) {
        HeaderParser parser = new HeaderParser(file);
        parser.readText(decode(file, bytes));
        Map<String, TensorEntry> ordered = HeaderLayout.check(file, parser.tensors, dataBytes);
        return new SafetensorsHeader(ordered, parser.metadata);
    }

    /** Strict UTF-8: Jackson would guess at other encodings. */
    private static String decode(Path file, ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            throw CheckpointErrors.headerInvalid(file, "it is not UTF-8", e);
        }
    }

    private void readText(String text) {
        try (JsonParser parser = JSON.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw CheckpointErrors.headerInvalid(file, "it is not a JSON object", null);
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                parser.nextToken();
                readMember(name, parser.readValueAsTree());
            }
            if (parser.nextToken() != null) {
                throw CheckpointErrors.headerInvalid(file, "text follows the JSON object", null);
            }
        } catch (JsonProcessingException e) {
            throw CheckpointErrors.headerInvalid(file, e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw CheckpointErrors.headerInvalid(file, e.getMessage(), e);
        }
    }

    private void readMember(String name, JsonNode value) {
        if (name.equals(METADATA)) {
            readMetadata(value);
        } else {
            tensors.put(name, EntryParser.parse(file, name, value));
        }
    }

    private void readMetadata(JsonNode value) {
        if (!value.isObject()) {
            throw CheckpointErrors.headerInvalid(file, METADATA + " is not a JSON object", null);
        }
        value.fields()
                .forEachRemaining(e -> metadata.put(e.getKey(), e.getValue().asText()));
    }
}
