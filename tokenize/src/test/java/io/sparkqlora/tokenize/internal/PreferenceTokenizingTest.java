// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.PreferenceColumns;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** Pairs through the job: both sequences of a pair stay together, in one packed row. */
class PreferenceTokenizingTest {

    private static final int MAX = 24;
    private static final int PAIRS = 120;

    private final SparkSession spark = LocalSpark.session();

    private static String prompt(int pair) {
        return pair + ":" + "q".repeat(pair % 5);
    }

    private static String chosen(int pair) {
        return "good".repeat(1 + pair % 3);
    }

    private static String rejected(int pair) {
        return "worse" + "!".repeat(pair % 40);
    }

    private SourceRows source() {
        List<String> rows = new ArrayList<>();
        for (int i = 0; i < PAIRS; i++) {
            rows.add("{\"prompt\": \"" + prompt(i) + "\", \"chosen\": \"" + chosen(i) + "\", \"rejected\": \""
                    + rejected(i) + "\"}");
        }
        rows.add("{\"prompt\": \"only\", \"chosen\": \"one\"}");
        Dataset<Row> json = spark.read().json(spark.createDataset(rows, Encoders.STRING()));
        return SourceRows.of(json.repartition(3), "memory");
    }

    private TokenizationResult run(boolean packing) {
        TokenizeOptions options = TokenizeOptions.builder()
                .preferences(PreferenceColumns.USUAL)
                .maxSeqLength(MAX)
                .packing(packing)
                .build();
        SourceRows source = source();
        return new Tokenizing(spark, options, 40L * MAX)
                .run(source, RowShapes.of(source, options), CharacterTokenizer.source(MAX), lineage -> "id");
    }

    private static String cut(String text) {
        return text.substring(0, Math.min(MAX, text.length()));
    }

    /** The texts of a row's pairs, as {@code chosen|rejected}, and what counts of each. */
    private static List<String> pairs(Row row) {
        List<Integer> lengths = row.getList(row.fieldIndex("sequence_lengths"));
        List<Integer> ids = row.getList(row.fieldIndex("input_ids"));
        List<Integer> labels = row.getList(row.fieldIndex("labels"));
        List<String> texts = new ArrayList<>();
        int from = 0;
        for (int length : lengths) {
            StringBuilder text = new StringBuilder();
            for (int i = from; i < from + length; i++) {
                boolean counts = labels.get(i) != -100;
                text.appendCodePoint(counts ? Character.toUpperCase(ids.get(i)) : ids.get(i));
            }
            texts.add(text.toString());
            from += length;
        }
        List<String> pairs = new ArrayList<>();
        for (int i = 0; i < texts.size(); i += 2) {
            pairs.add(texts.get(i) + "|" + texts.get(i + 1));
        }
        return pairs;
    }

    private static List<String> expected() {
        List<String> pairs = new ArrayList<>();
        for (int i = 0; i < PAIRS; i++) {
            pairs.add(cut(prompt(i) + chosen(i).toUpperCase()) + "|"
                    + cut(prompt(i) + rejected(i).toUpperCase()));
        }
        return pairs;
    }

    @Test
    void pairsArePackedWhole() {
        try (TokenizationResult result = run(true)) {
            List<Row> rows = result.shards().orderBy("row_index").collectAsList();
            assertThat(rows.stream().flatMap(row -> pairs(row).stream()).toList())
                    .containsExactlyInAnyOrderElementsOf(expected());
            assertThat(rows).hasSizeLessThan(PAIRS).allSatisfy(row -> {
                assertThat(row.<Integer>getAs("num_tokens")).isLessThanOrEqualTo(2 * MAX);
                assertThat(row.<Integer>getAs("num_pairs")).isEqualTo(pairs(row).size());
                assertThat(row.<Integer>getAs("num_sequences")).isEqualTo(2 * row.<Integer>getAs("num_pairs"));
            });
            assertThat(result.statistics().sequences()).isEqualTo(PAIRS);
            assertThat(result.statistics().truncatedSequences()).isPositive();
            assertThat(result.statistics().rejectedByReason()).isEqualTo(Map.of("missing_text", 1L));
            assertThat(result.statistics().fillRatio()).isBetween(0.7, 1.0);
        }
    }

    @Test
    void withoutPackingEachPairIsARow() {
        try (TokenizationResult result = run(false)) {
            List<Row> rows = result.shards().collectAsList();
            assertThat(rows).hasSize(PAIRS).allSatisfy(row -> assertThat(row.<Integer>getAs("num_pairs"))
                    .isOne());
            assertThat(rows.stream().flatMap(row -> pairs(row).stream()).toList())
                    .containsExactlyInAnyOrderElementsOf(expected());
        }
    }
}
