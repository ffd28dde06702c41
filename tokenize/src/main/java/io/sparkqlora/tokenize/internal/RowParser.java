// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.Arrays;
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
            case MESSAGES -> new Example.Conversation(
                    Messages.of(shape.first(), columns.get(shape.first())), tools(columns, shape.second()));
            case SHAREGPT -> new Example.Conversation(
                    ShareGpt.messages(shape.first(), columns.get(shape.first())), tools(columns, shape.second()));
            case PROMPT_COMPLETION -> pair(columns);
            case ALPACA -> alpaca(columns);
            case ALPACA_CHAT -> new Example.Conversation(
                    Alpaca.turns(text(columns, shape.first()), input(columns), output(columns)), null);
            case TEXT -> new Example.Text(text(columns, shape.first()));
            case TOKENS -> shape.third() == null ? tokens(columns) : tokenPair(columns);
            case PREFERENCE -> Preferences.of(shape, columns);
        };
    }

    private static Object read(String json) throws RejectedRow {
        try {
            return Json.read(json.startsWith("\uFEFF") ? json.substring(1) : json);
        } catch (JsonProcessingException e) {
            throw new RejectedRow(CORRUPT_RECORD, Json.problem(e));
        }
    }

    static List<Object> tools(Map<?, ?> columns, String column) throws RejectedRow {
        Object tools = column == null ? null : columns.get(column);
        return tools == null ? null : Messages.list(column, tools, "invalid_tools");
    }

    /** Prompt and completion are both text or both messages. */
    private Example pair(Map<?, ?> columns) throws RejectedRow {
        if (!(columns.get(shape.first()) instanceof List<?>) && !(columns.get(shape.second()) instanceof List<?>)) {
            return new Example.PromptCompletion(text(columns, shape.first()), text(columns, shape.second()));
        }
        List<Map<String, Object>> prompt = Messages.of(shape.first(), columns.get(shape.first()));
        List<Map<String, Object>> messages = new ArrayList<>(prompt);
        messages.addAll(Messages.of(shape.second(), columns.get(shape.second())));
        return new Example.Conversation(messages, tools(columns, shape.third()), prompt.size());
    }

    private Example alpaca(Map<?, ?> columns) throws RejectedRow {
        String prompt = Alpaca.prompt(text(columns, shape.first()), input(columns));
        return shape.second() == null
                ? new Example.Text(prompt)
                : new Example.PromptCompletion(prompt, text(columns, shape.second()));
    }

    /** What stands beside the instruction; most rows have none. */
    private String input(Map<?, ?> columns) throws RejectedRow {
        Object value = shape.third() == null ? null : columns.get(shape.third());
        return value == null || value.equals("") ? "" : text(columns, shape.third());
    }

    private String output(Map<?, ?> columns) throws RejectedRow {
        return shape.second() == null ? null : text(columns, shape.second());
    }

    private Example.Tokens tokens(Map<?, ?> columns) throws RejectedRow {
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

    /** The tokens of two sequences, one after the other. */
    private Example tokenPair(Map<?, ?> columns) throws RejectedRow {
        Example.Tokens both = tokens(columns);
        int[] lengths = integers(columns, shape.third());
        int all = both.inputIds().length;
        if (lengths.length != 2 || lengths[0] < 1 || lengths[1] < 1 || (long) lengths[0] + lengths[1] != all) {
            throw new RejectedRow(
                    INVALID_TOKENS,
                    shape.third() + " is " + Arrays.toString(lengths)
                            + ", not the lengths of two sequences of together " + all + " tokens");
        }
        return new Example.Preference(cut(both, 0, lengths[0]), cut(both, lengths[0], all));
    }

    private static Example.Tokens cut(Example.Tokens tokens, int from, int to) {
        return new Example.Tokens(
                Arrays.copyOfRange(tokens.inputIds(), from, to), Arrays.copyOfRange(tokens.labels(), from, to));
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

    static String text(Map<?, ?> columns, String column) throws RejectedRow {
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
