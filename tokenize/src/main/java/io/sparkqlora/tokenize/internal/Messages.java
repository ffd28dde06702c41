// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Checks a conversation as it was read. Fields that aren't known here survive as they are: templates may use them. */
final class Messages {

    private static final String INVALID = "invalid_messages";

    private Messages() {}

    /**
     * The messages of a column's value.
     *
     * @param value a list, or its JSON as a string
     */
    static List<Map<String, Object>> of(String column, Object value) throws RejectedRow {
        if (value == null) {
            throw new RejectedRow("missing_messages", column + " is null");
        }
        List<Object> elements = list(column, value, INVALID);
        if (elements.isEmpty()) {
            throw new RejectedRow("empty_conversation", column + " has no message");
        }
        List<Map<String, Object>> messages = new ArrayList<>(elements.size());
        for (int i = 0; i < elements.size(); i++) {
            messages.add(message(elements.get(i), column + "[" + i + "]"));
        }
        return messages;
    }

    /** The list that a value is, or whose JSON it is. */
    @SuppressWarnings("unchecked") // JSON's lists hold anything
    static List<Object> list(String column, Object value, String reason) throws RejectedRow {
        Object list = value;
        if (value instanceof String json) {
            try {
                list = Json.read(json);
            } catch (JsonProcessingException e) {
                throw new RejectedRow(reason, column + " is a string, but not the JSON of a list: " + Json.problem(e));
            }
        }
        if (!(list instanceof List<?>)) {
            throw new RejectedRow(reason, column + " is " + Values.kind(list) + ", not a list");
        }
        return (List<Object>) list;
    }

    @SuppressWarnings("unchecked") // the keys of JSON's objects are strings
    private static Map<String, Object> message(Object value, String where) throws RejectedRow {
        if (!(value instanceof Map<?, ?> message)) {
            throw new RejectedRow(INVALID, where + " is " + Values.kind(value) + ", not an object");
        }
        Object role = message.get("role");
        if (!(role instanceof String name) || name.isBlank()) {
            throw new RejectedRow(
                    "bad_role",
                    where + (role == null ? " has no role" : ".role is " + Values.kind(role)) + "; its fields are "
                            + message.keySet());
        }
        checkContent(message, where);
        return (Map<String, Object>) message;
    }

    private static void checkContent(Map<?, ?> message, String where) throws RejectedRow {
        Object content = message.get("content");
        if (content instanceof String) {
            return;
        }
        if (content instanceof List<?> parts) {
            TextParts.check(parts, where + ".content");
            return;
        }
        if (content != null) {
            throw new RejectedRow(
                    TextParts.INVALID,
                    where + ".content is " + Values.kind(content) + ", not a string or a list of text parts");
        }
        // a turn that only calls tools says nothing
        if (message.get("tool_calls") == null) {
            throw new RejectedRow("null_content", where + " has no content");
        }
    }
}
