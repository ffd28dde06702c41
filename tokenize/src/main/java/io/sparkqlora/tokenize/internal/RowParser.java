// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Map;

/** Reads a row's JSON as an example of the source's shape; a row that isn't one is rejected. */
final class RowParser {

    private static final String CORRUPT_RECORD = "corrupt_record";
    private static final String INVALID_TOKENS = "invalid_tokens";

    private final RowShape shape;

    RowParser(RowShape shape) {
        this.shape = shape;
    }

    /** The example of a row. */
    Example parse(String json) throws RejectedRow {
        return example(columns(json));
    }

    /** The columns of a row. */
    Map<?, ?> columns(String json) throws RejectedRow {
        Object row = read(json);
        if (!(row instanceof Map<?, ?> columns)) {
            throw new RejectedRow(CORRUPT_RECORD, "the row is " + Values.kind(row) + ", not a JSON object");
        }
        if (columns.get(CsvReader.CORRUPT) != null) {
            throw new RejectedRow(
                    CORRUPT_RECORD, "the record has not as many fields as the header, or a quote too many");
        }
        return columns;
    }

    /** The example that a row's columns hold. */
    Example example(Map<?, ?> columns) throws RejectedRow {
        return switch (shape.kind()) {
            case MESSAGES -> conversation(
                    columns.get(shape.first()), shape.second() == null ? null : columns.get(shape.second()));
            case PROMPT_COMPLETION -> new Example.PromptCompletion(
                    text(columns, shape.first()), text(columns, shape.second()));
            case TEXT -> new Example.Text(text(columns, shape.first()));
            case TOKENS -> tokens(columns);
        };
    }

    private static Object read(String json) throws RejectedRow {
        try {
            return Json.read(json.startsWith("\uFEFF") ? json.substring(1) : json);
        } catch (JsonProcessingException e) {
            throw new RejectedRow(CORRUPT_RECORD, Json.problem(e));
        }
    }

    private Example conversation(Object messages, Object tools) throws RejectedRow {
        List<Map<String, Object>> turns = Messages.of(shape.first(), messages);
        return new Example.Conversation(
                turns, tools == null ? null : Messages.list(shape.second(), tools, "invalid_tools"));
    }

    private Example tokens(Map<?, ?> columns) throws RejectedRow {
        int[] inputIds = integers(columns, shape.first());
        int[] labels = integers(columns, shape.second());
        if (inputIds.length != labels.length) {
            throw new RejectedRow(
                    INVALID_TOKENS,
                    shape.first() + " has " + inputIds.length + " elements and " + shape.second() + " "
                            + labels.length);
        }
        return new Example.Tokens(inputIds, labels);
    }

    private static int[] integers(Map<?, ?> columns, String column) throws RejectedRow {
        Object value = columns.get(column);
        if (value == null) {
            throw new RejectedRow("missing_tokens", column + " is null");
        }
        if (!(value instanceof List<?> list)) {
            throw new RejectedRow(INVALID_TOKENS, column + " is " + Values.kind(value) + ", not a list");
        }
        int[] integers = new int[list.size()];
        for (int i = 0; i < integers.length; i++) {
            if (!(list.get(i) instanceof Integer integer)) {
                throw new RejectedRow(
                        INVALID_TOKENS, column + "[" + i + "] is " + list.get(i) + ", not a whole number");
            }
            integers[i] = integer;
        }
        return integers;
    }

    private static String text(Map<?, ?> columns, String column) throws RejectedRow {
        Object value = columns.get(column);
        if (value == null) {
            throw new RejectedRow("missing_text", column + " is null");
        }
        if (!(value instanceof String text)) {
            throw new RejectedRow("invalid_text", column + " is " + Values.kind(value) + ", not a string");
        }
        if (text.isEmpty()) {
            throw new RejectedRow("empty_text", column + " is empty");
        }
        return text;
    }
}
