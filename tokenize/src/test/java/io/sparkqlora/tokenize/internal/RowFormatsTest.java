// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.internal.RowShape.Kind;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows in other people's shapes. */
class RowFormatsTest {

    private static final RowShape ALPACA = new RowShape(Kind.ALPACA, "instruction", "output", "input");
    private static final RowShape SHAREGPT = new RowShape(Kind.SHAREGPT, "conversations", "tools");
    private static final RowShape PAIR = new RowShape(Kind.PROMPT_COMPLETION, "prompt", "completion", "tools");

    private static Map<String, Object> message(String role, String content) {
        return Map.of("role", role, "content", content);
    }

    @Test
    void alpacaIsStanfordsPrompt() throws RejectedRow {
        assertThat(new RowParser(ALPACA).parse("{\"instruction\": \"Add.\", \"input\": \"1, 2\", \"output\": \"3\"}"))
                .isEqualTo(new Example.PromptCompletion(
                        """
                        Below is an instruction that describes a task, paired with an input that provides further context. \
                        Write a response that appropriately completes the request.

                        ### Instruction:
                        Add.

                        ### Input:
                        1, 2

                        ### Response:
                        """,
                        "3"));
        String alone =
                """
                Below is an instruction that describes a task. Write a response that appropriately completes the request.

                ### Instruction:
                Sing.

                ### Response:
                """;
        for (String input : List.of("", ", \"input\": \"\"", ", \"input\": null")) {
            assertThat(new RowParser(ALPACA).parse("{\"instruction\": \"Sing.\", \"output\": \"La\"" + input + "}"))
                    .isEqualTo(new Example.PromptCompletion(alone, "La"));
        }
        assertThat(new RowParser(new RowShape(Kind.ALPACA, "instruction", null, null))
                        .parse("{\"instruction\": \"Sing.\"}"))
                .isEqualTo(new Example.Text(alone));
    }

    @Test
    void alpacaCanBeAConversation() throws RejectedRow {
        assertThat(new RowParser(new RowShape(Kind.ALPACA_CHAT, "q", "a", "input"))
                        .parse("{\"q\": \"Add.\", \"input\": \"1, 2\", \"a\": \"3\"}"))
                .isEqualTo(new Example.Conversation(
                        List.of(message("user", "Add.\n\n1, 2"), message("assistant", "3")), null));
        assertThat(new RowParser(new RowShape(Kind.ALPACA_CHAT, "q", null, null)).parse("{\"q\": \"Sing.\"}"))
                .isEqualTo(new Example.Conversation(List.of(message("user", "Sing.")), null));
    }

    @Test
    void shareGptTurnsAreMessages() throws RejectedRow {
        Example example = new RowParser(SHAREGPT)
                .parse(
                        """
                {"tools": "[{\\"name\\": \\"add\\"}]", "conversations": [{"from": "system", "value": "Be terse."},
                 {"from": "human", "value": "1+1?"}, {"from": "function_call", "value":
                 "{\\"name\\": \\"add\\", \\"arguments\\": {\\"b\\": 1, \\"a\\": 1}}"}, {"from": "observation", "value": "2"},
                 {"from": "gpt", "value": "Two.", "weight": 1}, {"role": "user", "content": "Thanks"}]}""");
        Map<String, Object> call = Map.of("name", "add", "arguments", Map.of("b", 1, "a", 1));
        assertThat(example)
                .isEqualTo(new Example.Conversation(
                        List.of(
                                message("system", "Be terse."),
                                message("user", "1+1?"),
                                Map.of(
                                        "role",
                                        "assistant",
                                        "tool_calls",
                                        List.of(Map.of("type", "function", "function", call))),
                                message("tool", "2"),
                                message("assistant", "Two."),
                                message("user", "Thanks")),
                        List.of(Map.of("name", "add"))));
    }

    @Test
    void pairsMayBeMessages() throws RejectedRow {
        Example example = new RowParser(PAIR)
                .parse(
                        """
                {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
                 "completion": [{"role": "assistant", "content": "a"}], "tools": [{"name": "f"}]}""");
        assertThat(example)
                .isEqualTo(new Example.Conversation(
                        List.of(message("system", "s"), message("user", "u"), message("assistant", "a")),
                        List.of(Map.of("name", "f")),
                        2));
        assertThat(new RowParser(PAIR).parse("{\"prompt\": \"a\", \"completion\": \"b\", \"tools\": []}"))
                .isEqualTo(new Example.PromptCompletion("a", "b"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"conversations": null}                       | missing_messages | conversations is null
            {"conversations": []}                         | empty_conversation | conversations has no message
            {"conversations": [{"from": "alien", "value": "x"}]} | bad_role | conversations[0].from is alien; known are [assistant, bar
            {"conversations": [{"from": 7, "value": "x"}]} | bad_role | conversations[0].from is 7
            {"conversations": [{"from": "gpt"}]}           | null_content | conversations[0] has no content
            {"conversations": [{"from": "function_call", "value": "f("}]} | invalid_messages | conversations[0].value is not the JSON of a call: Unrec
            {"conversations": [{"from": "function_call", "value": "1"}]} | invalid_messages | conversations[0].value is not the JSON of a call with
            {"conversations": [{"from": "function_call"}]} | invalid_messages | conversations[0].value is null, not the JSON of a call
            {"conversations": "none"}                      | invalid_messages | conversations is a string, but not the JSON of a list
            """)
    void rejectsShareGpt(String json, String reason, String detail) {
        rejects(SHAREGPT, json, reason, detail);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"prompt": [{"role": "user", "content": "u"}], "completion": "a"} | invalid_messages | completion is a string, but not the JSON
            {"prompt": [{"role": "user", "content": "u"}]}                    | missing_messages | completion is null
            {"prompt": "p", "completion": {}}                                 | invalid_text | completion is an object, not a string
            """)
    void rejectsPairs(String json, String reason, String detail) {
        rejects(PAIR, json, reason, detail);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"instruction": "", "output": "x"}                | empty_text   | instruction is empty
            {"instruction": "a", "input": 7, "output": "x"}   | invalid_text | input is a number, not a string
            {"instruction": "a"}                              | missing_text | output is null
            """)
    void rejectsAlpaca(String json, String reason, String detail) {
        rejects(ALPACA, json, reason, detail);
    }

    private static void rejects(RowShape shape, String json, String reason, String detail) {
        assertThatThrownBy(() -> new RowParser(shape).parse(json)).isInstanceOfSatisfying(RejectedRow.class, e -> {
            assertThat(e.outcome().reason()).isEqualTo(reason);
            assertThat(e.outcome().detail()).startsWith(detail);
        });
    }
}
