// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** Content that is a list of parts, as OpenAI's API has it: {@code [{"type": "text", "text": "…"}]}. */
public final class TextParts {

    static final String INVALID = "invalid_content";

    private static final String CONTENT = "content";
    private static final String TYPE = "type";
    private static final String TEXT = "text";

    private TextParts() {}

    /** Content of one part. */
    public static List<Map<String, Object>> of(String text) {
        return List.of(Map.of(TYPE, TEXT, TEXT, text));
    }

    /** Checks that all parts are text. */
    static void check(List<?> parts, String where) throws RejectedRow {
        if (parts.isEmpty()) {
            throw new RejectedRow(INVALID, where + " is an empty list");
        }
        for (int i = 0; i < parts.size(); i++) {
            check(parts.get(i), where + "[" + i + "]");
        }
    }

    private static void check(Object part, String where) throws RejectedRow {
        if (!(part instanceof Map<?, ?> fields)) {
            throw new RejectedRow(INVALID, where + " is " + Values.kind(part) + ", not an object with type and text");
        }
        if (!TEXT.equals(fields.get(TYPE))) {
            throw new RejectedRow(
                    INVALID,
                    where + ".type is " + fields.get(TYPE) + "; parts of type text are all that is trained on");
        }
        if (!(fields.get(TEXT) instanceof String)) {
            throw new RejectedRow(INVALID, where + ".text is " + Values.kind(fields.get(TEXT)) + ", not a string");
        }
    }

    /** The messages with text in place of parts, a line break between two; the same list where none has any. */
    public static List<Map<String, Object>> joined(List<Map<String, Object>> messages) {
        boolean any = messages.stream().anyMatch(message -> isParts(message.get(CONTENT)));
        return any ? messages.stream().map(TextParts::joined).toList() : messages;
    }

    private static boolean isParts(Object content) {
        return content instanceof List<?> parts
                && parts.stream()
                        .allMatch(part -> part instanceof Map<?, ?> fields && fields.get(TEXT) instanceof String);
    }

    private static Map<String, Object> joined(Map<String, Object> message) {
        if (!isParts(message.get(CONTENT))) {
            return message;
        }
        Map<String, Object> joined = new LinkedHashMap<>(message);
        joined.put(
                CONTENT,
                ((List<?>) message.get(CONTENT))
                        .stream()
                                .map(part -> (String) ((Map<?, ?>) part).get(TEXT))
                                .collect(Collectors.joining("\n")));
        return joined;
    }
}
