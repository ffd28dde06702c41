// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Rows that are tokenised where they stand, and what becomes of the tokens. */
class TokenColumnsTest {

    private static final TokenizeOptions OPTIONS =
            TokenizeOptions.builder().maxSeqLength(64).build();

    private static final String SAID =
            "array(named_struct('role', 'user', 'content', concat('Say ', id)), named_struct('role', '%s', 'content', 'Well.')) AS messages";

    private final SparkSession spark = LocalSpark.session();

    @Test
    void tokensGiveTheShardsThatTheirRowsGive() {
        Dataset<Row> rows = spark.range(5).selectExpr(SAID.formatted("assistant"));
        try (TextTokenizer tokenizer = open()) {
            Dataset<Row> tokens = tokens(rows, tokenizer, false);
            assertThat(tokens.sameSemantics(tokens(rows, tokenizer, false))).isTrue();
            assertThat(tokens.sameSemantics(tokens(rows, tokenizer, true))).isFalse();
            try (TokenizationResult ofRows = run(rows, tokenizer);
                    TokenizationResult ofTokens = run(tokens.select("input_ids", "labels"), tokenizer)) {
                assertThat(shards(ofTokens)).isEqualTo(shards(ofRows)).hasSize(3);
            }
        }
    }

    @Test
    void aRowThatCannotBeUsedHasAReason() {
        Dataset<Row> rows = spark.range(1).selectExpr(SAID.formatted("user"));
        try (TextTokenizer tokenizer = open()) {
            Row row = tokens(rows, tokenizer, false).first();
            assertThat(row.isNullAt(row.fieldIndex("input_ids"))).isTrue();
            assertThat(row.<String>getAs("rejection")).startsWith("no_assistant_turn: none of the 2 messages");
            assertThatThrownBy(() -> TokenColumns.check(spark.range(1).toDF(), OPTIONS, false))
                    .hasMessageStartingWith("QLORA-D053")
                    .hasMessageContaining(
                            "or input_ids and labels, or conversations, or instruction and output; its columns are "
                                    + "id");
        }
    }

    @Test
    void promptsEndWhereTheAnswerBegins() {
        Dataset<Row> whole = spark.range(1).selectExpr(SAID.formatted("assistant"));
        Dataset<Row> open = whole.selectExpr("slice(messages, 1, 1) AS messages");
        try (TextTokenizer tokenizer = open()) {
            Row prompt = tokens(open, tokenizer, true).first();
            List<Integer> ids = prompt.getList(prompt.fieldIndex("input_ids"));
            assertThat(prompt.<Integer>getList(prompt.fieldIndex("labels")))
                    .isEqualTo(Collections.nCopies(ids.size(), -100));
            Row row = tokens(whole, tokenizer, false).first();
            List<Integer> labels = row.getList(row.fieldIndex("labels"));
            int answer = (int) labels.stream().takeWhile(label -> label == -100).count();
            assertThat(row.<Integer>getList(row.fieldIndex("input_ids")).subList(0, answer))
                    .isEqualTo(ids);

            Dataset<Row> pair = spark.range(1).selectExpr("'What?' AS prompt");
            assertThat(tokens(pair, tokenizer, true).first().<Integer>getList(1))
                    .isEqualTo(asList(tokenizer.encode("What?", true)));
            Dataset<Row> longer = spark.range(1).selectExpr("repeat('What? ', 99) AS prompt");
            assertThat(tokens(longer, tokenizer, true).first().<String>getAs("rejection"))
                    .matches("prompt_too_long: the prompt has \\d+ tokens; max_seq_length is 64");
        }
    }

    @Test
    void tokensThatCannotBeUsedAreRejectedByName() {
        Dataset<Row> rows = spark.sql(
                """
                SELECT input_ids, labels FROM VALUES
                  (array(1, 2, 3), array(-100, 2, 3)),
                  (NULL, array(1)),
                  (array(1, 2), array(1)),
                  (array(1, 2), array(-100, 7)),
                  (array(1, 99999999), array(-100, 99999999)),
                  (array(1, 2), array(1, -100)) AS rows(input_ids, labels)
                """);
        try (TextTokenizer tokenizer = open();
                TokenizationResult result = run(rows, tokenizer)) {
            assertThat(result.statistics().sequences()).isOne();
            List<String> rejections = new ArrayList<>();
            result.rejected()
                    .select("reason", "detail")
                    .collectAsList()
                    .forEach(row -> rejections.add(row.getString(0) + ": " + row.getString(1)));
            assertThat(rejections)
                    .hasSize(5)
                    .contains("missing_tokens: input_ids is null")
                    .contains("invalid_tokens: input_ids has 2 elements and labels 1")
                    .anyMatch(text -> text.startsWith("invalid_tokens: token 1 is 2 with label 7"))
                    .anyMatch(text -> text.startsWith("invalid_tokens: token 1 is 99999999"))
                    .anyMatch(text -> text.startsWith("no_target_tokens"));
            assertThatThrownBy(() -> run(spark.sql("SELECT array(1L) AS input_ids, array(1) AS labels"), tokenizer))
                    .hasMessageStartingWith(
                            "QLORA-D060: the column input_ids is of type array<bigint>, wanted is an array of integers");
        }
    }

    private static TextTokenizer open() {
        return TextTokenizer.open(Resources.path("bpe"));
    }

    private static Dataset<Row> tokens(Dataset<Row> rows, TextTokenizer tokenizer, boolean prompts) {
        return rows.withColumn("t", TokenColumns.of(rows, tokenizer, OPTIONS, prompts))
                .select(col(rows.columns()[0]), col("t.input_ids"), col("t.labels"), col("t.rejection"));
    }

    private TokenizationResult run(Dataset<Row> rows, TextTokenizer tokenizer) {
        return Tokenization.run(spark, SourceRows.of(rows, "memory"), tokenizer, OPTIONS);
    }

    private static List<Row> shards(TokenizationResult result) {
        return result.shards().drop("dataset_id").orderBy("row_index").collectAsList();
    }

    private static List<Integer> asList(int[] ids) {
        return java.util.Arrays.stream(ids).boxed().toList();
    }
}
