// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.List;
import java.util.Map;

/** A row of the source in one of the shapes that can be tokenised. Maps and lists are JSON's, in the order of the source. */
public sealed interface Example {

    /**
     * A conversation.
     *
     * @param messages at least one; each has a {@code role}, and {@code content} or {@code tool_calls}, beside whatever else
     *     the source has
     * @param tools the definitions of tools that go with it, or null
     * @param prompt how many of the messages are the prompt of those that follow; 0 where nothing tells them apart
     */
    record Conversation(List<Map<String, Object>> messages, List<Object> tools, int prompt) implements Example {

        /** Without a prompt of its own. */
        public Conversation(List<Map<String, Object>> messages, List<Object> tools) {
            this(messages, tools, 0);
        }
    }

    /** A prompt and what should follow it. */
    record PromptCompletion(String prompt, String completion) implements Example {}

    /**
     * Two answers to one prompt.
     *
     * @param chosen the prompt and the better answer: a conversation with a prompt of its own, a prompt and its completion, or tokens
     * @param rejected the same with the other answer
     */
    record Preference(Example chosen, Example rejected) implements Example {}

    /** Plain text. */
    record Text(String text) implements Example {}

    /**
     * What was tokenised before.
     *
     * @param inputIds token ids
     * @param labels as many: the token's own id where it counts in the loss, −100 where it doesn't
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Tokens(int[] inputIds, int[] labels) implements Example {}
}
