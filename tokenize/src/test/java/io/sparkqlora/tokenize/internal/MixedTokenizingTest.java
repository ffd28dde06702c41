// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.PackingStrategy;
import io.sparkqlora.tokenize.SourceMix;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Several sources, parts of them, and rows that are cut from one stream. */
class MixedTokenizingTest {

    private static final int MAX = 16;
    private static final int WINDOW = 40 * MAX;

    private final SparkSession spark = LocalSpark.session();

    private SourceRows texts(String name, List<String> texts) {
        return SourceRows.of(spark.createDataset(texts, Encoders.STRING()).toDF("text"), name);
    }

    private SourceRows pairs(String name, int count) {
        return SourceRows.of(
                spark.range(count).selectExpr("concat('p', id) AS prompt", "concat(':a', id) AS completion"), name);
    }

    private static List<String> numbered(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(i -> prefix + i).toList();
    }

    private static TokenizeOptions.Builder options() {
        return TokenizeOptions.builder().maxSeqLength(MAX);
    }

    private TokenizationResult run(SourceMix mix, TokenizeOptions options) {
        List<RowShape> shapes = mix.sources().stream()
                .map(source -> RowShapes.of(source, options))
                .toList();
        int most = options.wrapped() ? Integer.MAX_VALUE : MAX;
        return new Tokenizing(spark, options, WINDOW)
                .run(mix, shapes, CharacterTokenizer.source(most), lineage -> lineage.identity());
    }

    private static Map<String, Integer> sequences(TokenizationResult result) {
        Map<String, Integer> counts = new HashMap<>();
        for (Row row : result.shards().collectAsList()) {
            String text = text(row);
            int offset = 0;
            for (int length : row.<Integer>getList(7)) {
                counts.merge(text.substring(offset, offset + length), 1, Integer::sum);
                offset += length;
            }
        }
        return counts;
    }

    private static String text(Row row) {
        StringBuilder text = new StringBuilder();
        row.<Integer>getList(8).forEach(id -> text.append((char) (int) id));
        return text.toString();
    }

    @Test
    void sourcesOfSeveralShapesMakeOneDataSet() {
        SourceMix mix = SourceMix.concatenated(List.of(texts("x", numbered("text", 5)), pairs("y", 3)));
        try (TokenizationResult result = run(mix, options().build())) {
            assertThat(sequences(result).keySet())
                    .containsAll(numbered("text", 5))
                    .contains("p0:a0", "p2:a2")
                    .hasSize(8);
            assertThat(result.statistics().rows()).isEqualTo(8);
            assertThat(result.lineage().identity()).isEqualTo("x + y");
            assertThat(result.lineage().version()).startsWith("content:");
        }
    }

    @Test
    void proportionsAreKeptByLeavingOutOrByRepeating() {
        List<SourceRows> sources = List.of(texts("x", numbered("x", 600)), texts("y", numbered("y", 200)));
        SourceMix under = SourceMix.interleaved(spark, sources, List.of(1.0, 1.0), false);
        assertThat(under.copies().get(0)).isEqualTo(1.0 / 3);
        assertThat(under.copies().get(1)).isEqualTo(1.0);
        SourceMix over = SourceMix.interleaved(spark, sources, List.of(0.5, 0.5), true);
        assertThat(over.copies().get(0)).isEqualTo(1.0);
        assertThat(over.copies().get(1)).isEqualTo(3.0);
        try (TokenizationResult few = run(under, options().build());
                TokenizationResult again = run(under, options().build());
                TokenizationResult many = run(over, options().build())) {
            Map<String, Integer> counts = sequences(few);
            assertThat(counts.values()).containsOnly(1);
            assertThat(counts.keySet().stream().filter(text -> text.startsWith("y")))
                    .hasSize(200);
            assertThat(counts.keySet().stream()
                            .filter(text -> text.startsWith("x"))
                            .count())
                    .isBetween(160L, 240L);
            assertThat(sequences(again)).isEqualTo(counts);
            assertThat(few.lineage().version()).isEqualTo(again.lineage().version());
            counts = sequences(many);
            assertThat(counts).containsEntry("x7", 1).containsEntry("y7", 3).hasSize(800);
        }
        assertThatThrownBy(() -> SourceMix.interleaved(
                        spark, List.of(texts("x", List.of()), sources.get(1)), List.of(1.0, 1.0), true))
                .hasMessageStartingWith("QLORA-D055: the dataset x has no row");
    }

    @Test
    void heldOutRowsStayHeldOutWhenRowsAreAdded() {
        List<String> rows = new ArrayList<>(numbered("row", 120));
        TokenizeOptions training = options().validationSplitPercentage(25).build();
        TreeSet<String> before = held(rows, training);
        assertThat(before).hasSizeBetween(15, 45);
        rows.addAll(numbered("more", 200));
        Collections.reverse(rows);
        TreeSet<String> after = held(rows, training);
        assertThat(after).containsAll(before);
        assertThat(after.stream().filter(text -> text.startsWith("row"))).hasSameSizeAs(before);
        try (TokenizationResult rest = run(SourceMix.concatenated(List.of(texts("x", rows))), training)) {
            assertThat(sequences(rest).keySet())
                    .doesNotContainAnyElementsOf(after)
                    .hasSize(320 - after.size());
        }
    }

    private TreeSet<String> held(List<String> rows, TokenizeOptions training) {
        TokenizeOptions options = training.withSplit(training.split().heldOut());
        try (TokenizationResult result = run(SourceMix.concatenated(List.of(texts("x", rows))), options)) {
            return new TreeSet<>(sequences(result).keySet());
        }
    }

    @Test
    void wrappedRowsAreFullAndLoseNothing() {
        List<String> texts = IntStream.range(0, 40)
                .mapToObj(i -> "t" + i + "abcdefgh".repeat(i % 5))
                .toList();
        TokenizeOptions options =
                options().packingStrategy(PackingStrategy.WRAPPED).build();
        try (TokenizationResult result = run(SourceMix.concatenated(List.of(texts("x", texts))), options)) {
            List<Row> rows = result.shards().orderBy("row_index").collectAsList();
            StringBuilder stream = new StringBuilder();
            for (Row row : rows) {
                assertThat(row.<Integer>getAs("num_sequences")).isOne();
                List<Integer> labels = new ArrayList<>(row.<Integer>getList(8));
                labels.set(0, -100);
                assertThat(row.<Integer>getList(9)).isEqualTo(labels);
                stream.append(text(row));
            }
            int tokens = texts.stream().mapToInt(String::length).sum();
            assertThat(stream).hasSize(tokens);
            assertThat(texts).allSatisfy(text -> assertThat(stream).contains(text));
            // each window ends with what is left
            assertThat(rows.size()).isBetween((tokens + MAX - 1) / MAX, (tokens + MAX - 1) / MAX + tokens / WINDOW + 1);
            assertThat(result.statistics().truncatedSequences()).isZero();
        }
    }

    @Test
    void wrappedRowsInWhichNothingCountsAreLeftOut() {
        SourceRows source =
                SourceRows.of(spark.sql("SELECT repeat('p', " + 3 * MAX + ") AS prompt, 'yes' AS completion"), "one");
        TokenizeOptions options =
                options().packingStrategy(PackingStrategy.WRAPPED).build();
        try (TokenizationResult result = run(SourceMix.concatenated(List.of(source)), options)) {
            List<Row> rows = result.shards().collectAsList();
            assertThat(rows).hasSize(1);
            assertThat(text(rows.get(0))).isEqualTo("yes");
            assertThat(rows.get(0).<Long>getAs("row_index")).isZero();
            assertThat(rows.get(0).<Integer>getList(9)).containsExactly(-100, (int) 'e', (int) 's');
        }
    }
}
