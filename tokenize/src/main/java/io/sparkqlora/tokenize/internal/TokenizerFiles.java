// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The files of a Hugging Face tokenizer's folder. */
public final class TokenizerFiles {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<String> NAMES =
            List.of("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja");

    private final Path dir;
    private final Map<String, byte[]> contents = new LinkedHashMap<>();
    private final JsonNode tokenizer;
    private final JsonNode config;
    private final Map<String, String> specialTokens = new LinkedHashMap<>();

    /** Reads the files; tokenizer.json has to be there, the others may be. */
    public TokenizerFiles(Path dir) {
        this.dir = dir;
        if (!Files.isDirectory(dir)) {
            throw TokenizeErrors.noFolder(dir);
        }
        for (String name : NAMES) {
            byte[] content = read(dir.resolve(name));
            if (content != null) {
                contents.put(name, content);
            }
        }
        if (!contents.containsKey(NAMES.get(0))) {
            throw TokenizeErrors.noTokenizer(dir);
        }
        tokenizer = parse(NAMES.get(0));
        config = parse(NAMES.get(1));
        collect(parse(NAMES.get(2)));
        collect(config);
    }

    private static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            return null;
        } catch (IOException e) {
            throw TokenizeErrors.badTokenizerFile(file, "it can't be read (" + e.getMessage() + ")", e);
        }
    }

    private JsonNode parse(String name) {
        if (!contents.containsKey(name)) {
            return JSON.createObjectNode();
        }
        try {
            JsonNode node = JSON.readTree(contents.get(name));
            if (node.isObject()) {
                return node;
            }
            throw TokenizeErrors.badTokenizerFile(dir.resolve(name), "it isn't a JSON object", null);
        } catch (JsonProcessingException e) {
            int line = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
            String problem = "it isn't valid JSON (line " + line + ": " + e.getOriginalMessage() + ")";
            throw TokenizeErrors.badTokenizerFile(dir.resolve(name), problem, e);
        } catch (IOException e) {
            throw TokenizeErrors.badTokenizerFile(dir.resolve(name), e.getMessage(), e);
        }
    }

    /** Takes every {@code …_token}: a text, or an AddedToken with a content. */
    private void collect(JsonNode source) {
        source.properties().forEach(entry -> {
            JsonNode value = entry.getValue().isObject() ? entry.getValue().path("content") : entry.getValue();
            if (entry.getKey().endsWith("_token") && value.isTextual()) {
                specialTokens.put(entry.getKey(), value.asText());
            }
        });
    }

    /** The special tokens by their names, such as bos_token. */
    public Map<String, String> specialTokens() {
        return specialTokens;
    }

    /**
     * The text of tokenizer.json with the tokens that only tokenizer_config.json knows: transformers adds these when it
     * loads a tokenizer.
     */
    public String tokenizerJson() {
        Vocabulary vocabulary = Vocabulary.of(tokenizer);
        if (vocabulary.ids().isEmpty()) {
            throw TokenizeErrors.badTokenizerFile(dir.resolve(NAMES.get(0)), "it has no vocabulary", null);
        }
        ArrayNode missing = JSON.createArrayNode();
        Map<String, Integer> ids = new LinkedHashMap<>();
        config.path("added_tokens_decoder")
                .properties()
                .forEach(entry -> addMissing(entry.getKey(), entry.getValue(), vocabulary, missing, ids));
        for (String token : specialTokens.values()) {
            if (!vocabulary.added().contains(token) && !ids.containsKey(token)) {
                int next = Math.max(
                                vocabulary.largest().getValue(),
                                ids.values().stream().mapToInt(id -> id).max().orElse(0))
                        + 1;
                int id = vocabulary.ids().getOrDefault(token, next);
                ids.put(token, id);
                missing.add(JSON.createObjectNode()
                        .put("id", id)
                        .put("content", token)
                        .put("special", true));
            }
        }
        if (missing.isEmpty()) {
            return new String(contents.get(NAMES.get(0)), StandardCharsets.UTF_8);
        }
        missing.forEach(TokenizerFiles::complete);
        ObjectNode completed = tokenizer.deepCopy();
        completed.withArray("added_tokens").addAll(missing);
        return completed.toString();
    }

    private static void addMissing(
            String id, JsonNode token, Vocabulary vocabulary, ArrayNode missing, Map<String, Integer> ids) {
        String content = token.path("content").asText();
        if (!vocabulary.added().contains(content)) {
            ids.put(content, Integer.valueOf(id));
            missing.add(((ObjectNode) token.deepCopy()).put("id", Integer.parseInt(id)));
        }
    }

    private static void complete(JsonNode token) {
        ObjectNode node = (ObjectNode) token;
        for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized", "special")) {
            if (!node.has(flag)) {
                node.put(flag, false);
            }
        }
    }

    /** The template of this name: chat_template.jinja is the default one and goes before tokenizer_config.json; or null. */
    public String chatTemplate(String name) {
        boolean isDefault = name.equals("default");
        if (isDefault && contents.containsKey(NAMES.get(3))) {
            return new String(contents.get(NAMES.get(3)), StandardCharsets.UTF_8);
        }
        JsonNode template = config.path("chat_template");
        if (template.isTextual()) {
            return isDefault ? template.asText() : null;
        }
        Map<String, String> named = named(template);
        if (isDefault && !named.isEmpty() && !named.containsKey(name)) {
            throw TokenizeErrors.noDefaultTemplate(dir.resolve(NAMES.get(1)), named.keySet());
        }
        return named.get(name);
    }

    private static Map<String, String> named(JsonNode templates) {
        Map<String, String> named = new LinkedHashMap<>();
        if (templates.isObject()) {
            templates
                    .properties()
                    .forEach(entry -> named.put(entry.getKey(), entry.getValue().asText()));
        }
        if (templates.isArray()) {
            templates.forEach(each ->
                    named.put(each.path("name").asText(), each.path("template").asText()));
        }
        return named;
    }

    /** A hash of the names, lengths and bytes of the files. */
    public String sha256() {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            contents.forEach((name, content) -> {
                digest.update(name.getBytes(StandardCharsets.UTF_8));
                digest.update(
                        ByteBuffer.allocate(Long.BYTES).putLong(content.length).flip());
                digest.update(content);
            });
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
