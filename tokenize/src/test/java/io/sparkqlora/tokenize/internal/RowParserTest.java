// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowParserTest {

    private static final RowShape MESSAGES = new RowShape(RowShape.Kind.MESSAGES, "messages", "tools");
    private static final RowShape PAIR = new RowShape(RowShape.Kind.PROMPT_COMPLETION, "prompt", "completion");
    private static final RowShape TEXT = new RowShape(RowShape.Kind.TEXT, "text", null);

    @Test
    void keepsFieldsThatItDoesNotKnow() throws RejectedRow {
        Example example = new RowParser(MESSAGES)
                .parse(
                        """
                {"tools": [{"name": "add"}], "messages": [{"role": "user", "name": "Ann", "content": "1+1?"},
                 {"role": "assistant", "tool_calls": [{"arguments": {"b": 1, "a": 1.0}}]}]}""");
        assertThat(example)
                .isEqualTo(new Example.Conversation(
                        List.of(
                                Map.of("role", "user", "name", "Ann", "content", "1+1?"),
                                Map.of(
                                        "role",
                                        "assistant",
                                        "tool_calls",
                                        List.of(Map.of("arguments", Map.of("b", 1, "a", 1.0))))),
                        List.of(Map.of("name", "add"))));
    }

    @Test
    void readsMessagesAndToolsThatAreJsonText() throws RejectedRow {
        Example example = new RowParser(MESSAGES)
                .parse(
                        "{\"messages\": \"[{\\\"role\\\":\\\"user\\\",\\\"content\\\":\\\"hi\\\"}]\", \"tools\": \"[]\"}");
        assertThat(example)
                .isEqualTo(new Example.Conversation(List.of(Map.of("role", "user", "content", "hi")), List.of()));
    }

    @Test
    void readsPairsAndText() throws RejectedRow {
        assertThat(new RowParser(PAIR).parse("{\"prompt\": \"a\", \"completion\": \"b\"}"))
                .isEqualTo(new Example.PromptCompletion("a", "b"));
        assertThat(new RowParser(TEXT).parse("\uFEFF{\"text\": \"a\"}")).isEqualTo(new Example.Text("a"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"messages": [{"role":            | corrupt_record   | Unexpected end-of-input
            {"messages": []} x                | corrupt_record   | Unrecognized token 'x'
            [1]                               | corrupt_record   | the row is a list, not a JSON object
            {"_spark_qlora_corrupt_record": "a,b"} | corrupt_record   | the record has not as many fields as the header
            {"other": 1}                      | missing_messages | messages is null
            {"messages": 5}                   | invalid_messages | messages is a number, not a list
            {"messages": "hello"}             | invalid_messages | messages is a string, but not the JSON of a list: Unrec
            {"messages": []}                  | empty_conversation | messages has no message
            {"messages": [null]}              | invalid_messages | messages[0] is null, not an object
            {"messages": [{"from": "a"}]}     | bad_role | messages[0] has no role; its fields are [from]
            {"messages": [{"role": true}]}    | bad_role | messages[0].role is a boolean; its fields are [role]
            {"messages": [{"role": "user"}]}  | null_content | messages[0] has no content
            {"messages": [{"role": "user", "content": {}}]} | invalid_content | messages[0].content is an object, not a string or a list
            {"messages": [{"role": "user", "content": []}]} | invalid_content | messages[0].content is an empty list
            {"messages": [{"role": "user", "content": ["a"]}]} | invalid_content | messages[0].content[0] is a string, not an object
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]} | invalid_content | messages[0].content[1].type is image_url; parts of type text are all
            {"messages": [{"role": "user", "content": [{"text": "a"}]}]} | invalid_content | messages[0].content[0].type is null;
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]} | invalid_content | messages[0].content[0].text is a number, not
            {"messages": [{"role": "user", "content": "a"}], "tools": 1} | invalid_tools | tools is a number, not a list
            """)
    void rejects(String json, String reason, String detail) {
        assertThatThrownBy(() -> new RowParser(MESSAGES).parse(json)).isInstanceOfSatisfying(RejectedRow.class, e -> {
            assertThat(e.outcome().reason()).isEqualTo(reason);
            assertThat(e.outcome().detail()).startsWith(detail);
        });
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"text": null}  | missing_text | text is null
            {"text": ""}    | empty_text   | text is empty
            {"text": {}}    | invalid_text | text is an object, not a string
            """)
    void rejectsText(String json, String reason, String detail) {
        assertThatThrownBy(() -> new RowParser(TEXT).parse(json))
                .isInstanceOfSatisfying(RejectedRow.class, e -> assertThat(e.outcome())
                        .isEqualTo(new Outcome.Rejected(reason, detail)));
    }
}
