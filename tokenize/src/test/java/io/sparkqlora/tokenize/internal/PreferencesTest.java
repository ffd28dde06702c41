// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.Formatting;
import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.PackingStrategy;
import io.sparkqlora.tokenize.PreferenceColumns;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizeOptions;
import io.sparkqlora.tokenize.internal.Example.Conversation;
import io.sparkqlora.tokenize.internal.Example.Preference;
import io.sparkqlora.tokenize.internal.Example.PromptCompletion;
import io.sparkqlora.tokenize.internal.RowShape.Kind;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Rows of a better and a worse answer. */
class PreferencesTest {

    private static final RowShape EXPLICIT =
            new RowShape(Kind.PREFERENCE, "prompt", "chosen", "rejected", "tools", null);
    private static final RowShape IMPLICIT = new RowShape(Kind.PREFERENCE, null, "chosen", "rejected", null, null);

    private static Map<String, Object> message(String role, String content) {
        return Map.of("role", role, "content", content);
    }

    @Test
    void promptsStandApartOrBeforeBoth() throws RejectedRow {
        Map<String, Object> question = message("user", "Sky?");
        Map<String, Object> good = message("assistant", "Blue.");
        Map<String, Object> bad = message("assistant", "Green.");
        assertThat(
                        new RowParser(EXPLICIT)
                                .parse(
                                        """
                {"prompt": [{"role": "user", "content": "Sky?"}], "chosen": [{"role": "assistant", "content": "Blue."}],
                 "rejected": [{"role": "assistant", "content": "Green."}], "tools": []}"""))
                .isEqualTo(new Preference(
                        new Conversation(List.of(question, good), List.of(), 1),
                        new Conversation(List.of(question, bad), List.of(), 1)));
        assertThat(
                        new RowParser(IMPLICIT)
                                .parse(
                                        """
                {"chosen": [{"role": "user", "content": "Sky?"}, {"role": "assistant", "content": "Blue."}],
                 "rejected": [{"role": "user", "content": "Sky?"}, {"role": "assistant", "content": "Green."}]}"""))
                .isEqualTo(new Preference(
                        new Conversation(List.of(question, good), null, 1),
                        new Conversation(List.of(question, bad), null, 1)));
    }

    /** The last column of each is what TRL's extract_prompt gives. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            ignoreLeadingAndTrailingWhitespace = false,
            value = {
                "The sky is blue.|The sky is green.|The sky is",
                "The sky is blue.|The sky is bleak.|The sky is bl",
                "abc|abcd|ab",
                "a🙂b|a🙃b|a"
            })
    void textsPartWhereTheyDiffer(String chosen, String rejected, String prompt) throws RejectedRow {
        assertThat(new RowParser(IMPLICIT)
                        .parse("{\"chosen\": \"" + chosen + "\", \"rejected\": \"" + rejected + "\"}"))
                .isEqualTo(new Preference(
                        new PromptCompletion(prompt, chosen.substring(prompt.length())),
                        new PromptCompletion(prompt, rejected.substring(prompt.length()))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            {"chosen": "a", "rejected": "b"}                                   | no_common_prompt | have no first character in common
            {"chosen": [{"role":"user","content":"a"}], "rejected": [{"role":"user","content":"a"}]} | no_common_prompt | no first message
            {"chosen": "ab"}                                                   | missing_text     | rejected is null
            {"chosen": [{"role":"user","content":"a"}], "rejected": "x"}       | invalid_messages | rejected is a string
            {"chosen": [{"role":"user","content":"a"}]}                        | missing_messages | rejected is null
            {"chosen": [], "rejected": []}                                     | empty_conversation | chosen has no message
            """)
    void rowsWithoutAPairAreRejected(String json, String reason, String detail) {
        assertThatThrownBy(() -> new RowParser(IMPLICIT).parse(json)).isInstanceOfSatisfying(RejectedRow.class, e -> {
            assertThat(e.outcome().reason()).isEqualTo(reason);
            assertThat(e.outcome().detail()).contains(detail);
        });
    }

    @Test
    void tokensOfTwoSequencesAreCutWhereTheFirstEnds() throws RejectedRow {
        RowShape shape = new RowShape(Kind.TOKENS, "input_ids", "labels", "sequence_lengths");
        Example pair = new RowParser(shape)
                .parse("{\"input_ids\": [1,2,3,1,4], \"labels\": [-100,2,3,-100,4], \"sequence_lengths\": [3,2]}");
        assertThat(pair).isInstanceOfSatisfying(Preference.class, preference -> {
            assertThat(((Example.Tokens) preference.chosen()).inputIds()).containsExactly(1, 2, 3);
            assertThat(((Example.Tokens) preference.rejected()).labels()).containsExactly(-100, 4);
        });
        assertThatThrownBy(() -> new RowParser(shape)
                        .parse("{\"input_ids\": [1,2], \"labels\": [1,2], \"sequence_lengths\": [2]}"))
                .isInstanceOfSatisfying(RejectedRow.class, e -> assertThat(
                                e.outcome().detail())
                        .isEqualTo("sequence_lengths is [2], not the lengths of two sequences of together 2 tokens"));
    }

    private static RowShape shape(String ddl, TokenizeOptions.Builder options) {
        StructType schema = StructType.fromDDL(ddl);
        return RowShapes.of(
                SourceRows.of(LocalSpark.session().createDataFrame(List.of(), schema), "memory"), options.build());
    }

    private static TokenizeOptions.Builder options() {
        return TokenizeOptions.builder().preferences(PreferenceColumns.USUAL);
    }

    @Test
    void columnsAreFoundOrNamed() {
        String messages = "ARRAY<STRUCT<role: STRING, content: STRING>>";
        String both = "chosen " + messages + ", rejected " + messages;
        assertThat(shape(both + ", prompt " + messages + ", tools STRING", options()))
                .isEqualTo(EXPLICIT);
        assertThat(shape(both + ", score DOUBLE", options())).isEqualTo(IMPLICIT);
        assertThat(shape(
                        "better STRING, worse STRING, q STRING, tools STRING",
                        options()
                                .preferences(new PreferenceColumns("better", "worse"))
                                .promptColumn("q")))
                .isEqualTo(new RowShape(Kind.PREFERENCE, "q", "better", "worse", null, null));
        assertThat(shape("input_ids ARRAY<INT>, labels ARRAY<INT>, sequence_lengths ARRAY<INT>", options()))
                .isEqualTo(new RowShape(Kind.TOKENS, "input_ids", "labels", "sequence_lengths"));
        assertThatThrownBy(() -> shape("messages " + messages, options()))
                .hasMessage("QLORA-D052: chosen_column names 'chosen', which the dataset doesn't have; its columns are "
                        + "messages; name one of them");
        assertThatThrownBy(() -> shape("chosen INT, rejected STRING", options()))
                .hasMessageStartingWith(
                        "QLORA-D060: the column chosen is of type int, wanted is a string, or an array");
    }

    @Test
    void optionsOfOtherRowsAreRefused() {
        assertThatThrownBy(() -> options().formatting(Formatting.ALPACA).build())
                .hasMessageStartingWith("QLORA-D071: formatting is alpaca, but rows are preferences");
        assertThatThrownBy(() -> options().completionColumn("c").build())
                .hasMessageStartingWith("QLORA-D071: completion_column is c");
        assertThatThrownBy(
                        () -> options().packingStrategy(PackingStrategy.WRAPPED).build())
                .hasMessageStartingWith("QLORA-D071: packing_strategy is wrapped");
        assertThatThrownBy(() -> new PreferenceColumns("better", null))
                .hasMessage("QLORA-D070: chosen_column is better, and the other answers have no column; set "
                        + "chosen_column and rejected_column, or neither of them");
        assertThat(TokenizeOptions.builder().build().toString()).doesNotContain("preferences");
        assertThat(options().build().toString())
                .endsWith(", preferences=PreferenceColumns[chosen=null, rejected=null]]");
    }
}
