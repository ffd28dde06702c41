// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import com.fasterxml.jackson.dataformat.yaml.YAMLParser;
import io.sparkqlora.pipeline.PipelineErrors;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.regex.Pattern;

/** Reads the entries of a flat YAML mapping, remembering the line of each. */
public final class JobFile {

    private static final ObjectMapper YAML = new ObjectMapper(YAMLFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build());

    /** How YAML and people write the same whole number. To YAML 1.1, 010 is eight, 0x10 sixteen and 2024_01 is 202401. */
    private static final Pattern PLAIN = Pattern.compile("[-+]?(0|[1-9][0-9]*)");

    private JobFile() {}

    /**
     * One entry.
     *
     * @param key name as written
     * @param value value as written
     * @param where file and line, or the option, for messages
     */
    public record Entry(String key, JsonNode value, String where) {}

    /** The entries of a file, in its order. */
    public static List<Entry> read(Path file) {
        try {
            return parse(Files.readString(file), file.toString());
        } catch (NoSuchFileException e) {
            throw PipelineErrors.jobFileMissing(file.toString());
        } catch (JsonProcessingException e) {
            int line = e.getLocation() == null ? 1 : e.getLocation().getLineNr();
            throw PipelineErrors.notYaml(file + ":" + line, e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw PipelineErrors.jobFileUnreadable(file.toString(), e);
        }
    }

    /** The entry of a {@code key=value} option; the value is read as YAML, so that lists work. */
    public static Entry option(String option) {
        int equals = option.indexOf('=');
        if (equals <= 0) {
            throw PipelineErrors.badOption(option);
        }
        String key = option.substring(0, equals).strip();
        String where = "--set " + option;
        return new Entry(key, value(option.substring(equals + 1), where), where);
    }

    private static JsonNode value(String text, String where) {
        try {
            requirePlainNumbers(text, line -> where);
            JsonNode node = YAML.readTree(text);
            boolean plain = node == null || node.isMissingNode() || (node.isTextual() && !isQuoted(text.strip()));
            // plain text is all of it: to YAML, a # after a blank begins a comment
            return plain ? YAML.getNodeFactory().textNode(text.strip()) : node;
        } catch (JsonProcessingException e) {
            return YAML.getNodeFactory().textNode(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Checks every whole number, those in lists and mappings too. */
    private static void requirePlainNumbers(String text, IntFunction<String> where) throws IOException {
        try (YAMLParser parser = parser(text)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token == JsonToken.VALUE_NUMBER_INT
                        && !PLAIN.matcher(parser.getText()).matches()) {
                    int line = parser.currentTokenLocation().getLineNr();
                    String read = parser.getBigIntegerValue().toString();
                    throw PipelineErrors.oddNumber(where.apply(line), parser.getText(), read);
                }
            }
        }
    }

    private static YAMLParser parser(String text) throws IOException {
        return ((YAMLFactory) YAML.getFactory()).createParser(text);
    }

    private static boolean isQuoted(String text) {
        return text.startsWith("\"") || text.startsWith("'");
    }

    private static List<Entry> parse(String text, String file) throws IOException {
        List<Entry> entries = new ArrayList<>();
        requirePlainNumbers(text, line -> file + ":" + line);
        try (YAMLParser parser = parser(text)) {
            JsonToken first = parser.nextToken();
            if (first != null && first != JsonToken.START_OBJECT) {
                throw PipelineErrors.notMapping(file);
            }
            while (first != null && parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.currentName();
                String where = file + ":" + parser.currentTokenLocation().getLineNr();
                parser.nextToken();
                entries.add(new Entry(key, YAML.readTree(parser), where));
            }
            if (first != null && parser.nextToken() != null) {
                int line = parser.currentTokenLocation().getLineNr();
                throw PipelineErrors.notYaml(file + ":" + line, "a second document begins here", null);
            }
        }
        return entries;
    }
}
