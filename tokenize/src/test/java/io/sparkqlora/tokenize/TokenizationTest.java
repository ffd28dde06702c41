// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.ConversationTokenizer.Settings;
import io.sparkqlora.tokenize.internal.Example;
import io.sparkqlora.tokenize.internal.Outcome.Tokenized;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizationTest {

    private final SparkSession spark = LocalSpark.session();

    @TempDir
    Path dir;

    @Test
    void makesTheShardsThatTheTokenizerAloneMakes() throws IOException {
        SourceRows source = source(
                """
                {"messages": [{"role": "user", "content": "What is two and two?"}, {"role": "assistant", "content": "Four."}]}
                {"messages": [{"role": "user", "content": "And nobody answers"}]}
                """);
        TokenizeOptions options = TokenizeOptions.builder().maxSeqLength(64).build();
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"));
                TokenizationResult result = Tokenization.run(spark, source, tokenizer, options)) {
            Example example = new Example.Conversation(
                    List.of(
                            Map.of("role", "user", "content", "What is two and two?"),
                            Map.of("role", "assistant", "content", "Four.")),
                    null);
            Tokenized expected = (Tokenized)
                    new ConversationTokenizer(tokenizer, new Settings(null, 64, true, true)).tokenize(example);
            Row row = result.shards().first();
            assertThat(ints(row, "input_ids")).containsExactly(expected.inputIds());
            assertThat(ints(row, "labels")).containsExactly(expected.labels()).contains(-100);
            assertThat(ints(row, "sequence_lengths")).containsExactly(expected.inputIds().length);
            assertThat(result.statistics().sequences()).isOne();
            assertThat(result.statistics().rejectedRows()).isOne();
            assertThat(row.<String>getAs("dataset_id")).isEqualTo(result.datasetId());
            assertThat(Tokenization.datasetId(source, tokenizer, options)).contains(result.datasetId());
        }
    }

    @Test
    void theIdOfADatasetTellsSourceTokenizerAndOptionsApart() throws IOException {
        SourceRows source = source("{\"text\": \"a\"}");
        TokenizeOptions options = TokenizeOptions.builder().build();
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"));
                TextTokenizer other = TextTokenizer.open(
                        Resources.byteLevel(Files.createDirectories(dir.resolve("t")), "{\"eos_token\": \"x\"}"))) {
            assertThat(List.of(
                            Tokenization.datasetId(source, tokenizer, options),
                            Tokenization.datasetId(source, other, options),
                            Tokenization.datasetId(source("{\"text\": \"ab\"}"), tokenizer, options),
                            Tokenization.datasetId(
                                    source,
                                    tokenizer,
                                    TokenizeOptions.builder().packing(false).build()),
                            Tokenization.datasetId(
                                    source,
                                    tokenizer,
                                    TokenizeOptions.builder()
                                            .chatTemplateDate(LocalDate.of(2030, 2, 1))
                                            .build())))
                    .doesNotHaveDuplicates()
                    .allMatch(id -> id.orElseThrow().matches("[0-9a-f]{32}"));
            SourceRows frame = SourceRows.of(spark.range(1).selectExpr("'a' AS text"), "memory");
            assertThat(Tokenization.datasetId(frame, tokenizer, options)).isEmpty();
        }
    }

    @Test
    void whatIsWrongWithATokenizerIsKnownBeforeTheJob() throws IOException {
        SourceRows source = source("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}");
        Path folder = Resources.byteLevel(Files.createDirectories(dir.resolve("t")), "{}");
        try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
            assertThatThrownBy(() -> Tokenization.run(
                            spark, source, tokenizer, TokenizeOptions.builder().build()))
                    .hasMessageStartingWith("QLORA-D004: the tokenizer in " + folder + " has no chat template");
            assertThatThrownBy(() -> Tokenization.run(
                            spark,
                            source,
                            tokenizer,
                            TokenizeOptions.builder().chatTemplate("{% if %}").build()))
                    .hasMessageStartingWith("QLORA-D003: the chat template of the key chat_template fails at line 1");
        }
    }

    @Test
    void aTemplateThatMarksNothingOfAnyRowIsAnError() throws IOException {
        SourceRows source = source(
                """
                {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
                """);
        String template = "{% generation %}{% endgeneration %}{% for m in messages %}{{ m.content }}{% endfor %}";
        try (TextTokenizer tokenizer = TextTokenizer.open(Resources.path("bpe"))) {
            assertThatThrownBy(() -> Tokenization.run(
                            spark,
                            source,
                            tokenizer,
                            TokenizeOptions.builder().chatTemplate(template).build()))
                    .hasMessageStartingWith("QLORA-D056: none of the 1 rows of")
                    .hasMessageContaining("(empty_assistant_mask: 1)")
                    .hasMessageEndingWith(
                            "mend the chat template, whose {% generation %} marks hold no assistant text of "
                                    + "any row, or name another with the key chat_template, or set assistant_only_loss to false");
        }
    }

    @Test
    void optionsThatAreNotSetLeaveTheIdAsItWas() {
        assertThat(TokenizeOptions.builder().build())
                .hasToString("TokenizeOptions[messagesColumn=null, toolsColumn=null, promptColumn=null, "
                        + "completionColumn=null, textColumn=null, chatTemplate=null, chatTemplateDate=2024-07-26, "
                        + "maxSeqLength=1024, packing=true, assistantOnlyLoss=true, completionOnlyLoss=true]");
        TokenizeOptions set = TokenizeOptions.builder()
                .formatting(Formatting.SHAREGPT)
                .packingStrategy(PackingStrategy.WRAPPED)
                .validationSplitPercentage(5)
                .build();
        assertThat(set.toString())
                .endsWith("completionOnlyLoss=true, formatting=SHAREGPT, packingStrategy=WRAPPED, "
                        + "split=ValidationSplit[percentage=5.0, validation=false]]");
        assertThat(set.withSplit(set.split().heldOut()).toString()).endsWith("validation=true]]");
    }

    private SourceRows source(String lines) throws IOException {
        Path file = dir.resolve(lines.length() + ".jsonl");
        Files.writeString(file, lines);
        return DataSource.of(file.toString(), "auto").read(spark);
    }

    private static int[] ints(Row row, String column) {
        List<Integer> list = row.getList(row.fieldIndex(column));
        return IntStream.range(0, list.size()).map(list::get).toArray();
    }
}
