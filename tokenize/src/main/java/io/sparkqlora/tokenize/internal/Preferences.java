// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Reads a better and a worse answer, of text or of messages, as TRL has them: with a prompt in a column of its own, or both
 * beginning with it.
 */
final class Preferences {

    private static final String NO_PROMPT = "no_common_prompt";

    private Preferences() {}

    static Example of(RowShape shape, Map<?, ?> columns) throws RejectedRow {
        boolean messages =
                columns.get(shape.second()) instanceof List<?> || columns.get(shape.third()) instanceof List<?>;
        return messages ? conversations(shape, columns) : texts(shape, columns);
    }

    private static Example texts(RowShape shape, Map<?, ?> columns) throws RejectedRow {
        String chosen = RowParser.text(columns, shape.second());
        String rejected = RowParser.text(columns, shape.third());
        if (shape.first() != null) {
            String prompt = RowParser.text(columns, shape.first());
            return new Example.Preference(
                    new Example.PromptCompletion(prompt, chosen), new Example.PromptCompletion(prompt, rejected));
        }
        int end = beginning(shape, chosen, rejected);
        return new Example.Preference(split(chosen, end), split(rejected, end));
    }

    private static Example split(String text, int end) {
        return new Example.PromptCompletion(text.substring(0, end), text.substring(end));
    }

    /** Where two texts part: something is left of both, and a blank before it belongs to the answer. */
    private static int beginning(RowShape shape, String chosen, String rejected) throws RejectedRow {
        int least = Math.min(chosen.length(), rejected.length());
        int end = 0;
        while (end < least - 1 && chosen.charAt(end) == rejected.charAt(end)) {
            end++;
        }
        if (end > 0 && (chosen.charAt(end - 1) == ' ' || Character.isHighSurrogate(chosen.charAt(end - 1)))) {
            end--;
        }
        if (end == 0) {
            throw noPrompt(shape, "character");
        }
        return end;
    }

    private static Example conversations(RowShape shape, Map<?, ?> columns) throws RejectedRow {
        List<Map<String, Object>> chosen = Messages.of(shape.second(), columns.get(shape.second()));
        List<Map<String, Object>> rejected = Messages.of(shape.third(), columns.get(shape.third()));
        List<Object> tools = RowParser.tools(columns, shape.fourth());
        if (shape.first() != null) {
            List<Map<String, Object>> prompt = Messages.of(shape.first(), columns.get(shape.first()));
            return new Example.Preference(after(prompt, chosen, tools), after(prompt, rejected, tools));
        }
        int least = Math.min(chosen.size(), rejected.size());
        int end = 0;
        while (end < least - 1 && chosen.get(end).equals(rejected.get(end))) {
            end++;
        }
        if (end == 0) {
            throw noPrompt(shape, "message");
        }
        return new Example.Preference(
                new Example.Conversation(chosen, tools, end), new Example.Conversation(rejected, tools, end));
    }

    private static Example after(
            List<Map<String, Object>> prompt, List<Map<String, Object>> answer, List<Object> tools) {
        List<Map<String, Object>> messages = new ArrayList<>(prompt);
        messages.addAll(answer);
        return new Example.Conversation(messages, tools, prompt.size());
    }

    private static RejectedRow noPrompt(RowShape shape, String what) {
        return new RejectedRow(
                NO_PROMPT,
                shape.second() + " and " + shape.third() + " have no first " + what
                        + " in common, which would be their prompt, and there is no column of prompts");
    }
}
