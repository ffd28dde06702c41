// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Turns of {@code from} and {@code value} as messages of role and content. Turns that have a role are messages already, so a
 * column may hold either.
 */
final class ShareGpt {

    private static final String INVALID = "invalid_messages";
    private static final String ASSISTANT = "assistant";
    private static final Map<String, String> ROLES = roles();

    private ShareGpt() {}

    private static Map<String, String> roles() {
        Map<String, String> roles = new HashMap<>();
        List.of("human", "user").forEach(name -> roles.put(name, "user"));
        List.of("gpt", ASSISTANT, "model", "chatgpt", "bing", "bard").forEach(name -> roles.put(name, ASSISTANT));
        List.of("tool", "observation", "function_response").forEach(name -> roles.put(name, "tool"));
        roles.put("system", "system");
        return Map.copyOf(roles);
    }

    /** The messages of a column's value. */
    static List<Map<String, Object>> messages(String column, Object value) throws RejectedRow {
        if (value == null) {
            throw new RejectedRow("missing_messages", column + " is null");
        }
        List<Object> messages = new ArrayList<>();
        List<Object> turns = Messages.list(column, value, INVALID);
        for (int i = 0; i < turns.size(); i++) {
            messages.add(message(turns.get(i), column + "[" + i + "]"));
        }
        return Messages.of(column, messages);
    }

    private static Object message(Object value, String where) throws RejectedRow {
        if (!(value instanceof Map<?, ?> turn) || turn.get("from") == null) {
            return value;
        }
        Object from = turn.get("from");
        if (from.equals("function_call")) {
            return call(turn.get("value"), where);
        }
        String role = from instanceof String name ? ROLES.get(name) : null;
        if (role == null) {
            throw new RejectedRow(
                    "bad_role", where + ".from is " + from + "; known are " + new TreeSet<>(ROLES.keySet()));
        }
        Map<String, Object> message = new LinkedHashMap<>();
        message.put("role", role);
        message.put("content", turn.get("value"));
        return message;
    }

    /** A call whose text is the JSON of name and arguments. */
    private static Object call(Object value, String where) throws RejectedRow {
        if (!(value instanceof String text)) {
            throw new RejectedRow(INVALID, where + ".value is " + Values.kind(value) + ", not the JSON of a call");
        }
        try {
            if (Json.read(text) instanceof Map<?, ?> function) {
                return Map.of(
                        "role", ASSISTANT, "tool_calls", List.of(Map.of("type", "function", "function", function)));
            }
        } catch (JsonProcessingException e) {
            throw new RejectedRow(INVALID, where + ".value is not the JSON of a call: " + Json.problem(e));
        }
        throw new RejectedRow(INVALID, where + ".value is not the JSON of a call with name and arguments");
    }
}
