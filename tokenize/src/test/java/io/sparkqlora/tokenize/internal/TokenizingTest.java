// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.apache.spark.sql.functions.col;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.tokenize.DataSource;
import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenShards;
import io.sparkqlora.tokenize.TokenStatistics;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizingTest {

    private static final int MAX = 64;
    private static final int WINDOW = 40 * MAX;

    private final SparkSession spark = LocalSpark.session();

    @TempDir
    Path dir;

    @Test
    void packsEverySequenceOnceAndNumbersTheRows() {
        List<String> texts = texts(700);
        try (TokenizationResult result = run(frame(texts, 3), options().build())) {
            List<Row> rows = result.shards().orderBy("row_index").collectAsList();
            assertThat(result.shards().schema().simpleString()).isEqualTo(TokenShards.SCHEMA.simpleString());
            assertThat(rows).extracting(row -> row.<Long>getAs("row_index")).isEqualTo(indices(rows.size()));
            assertThat(sequences(rows)).isEqualTo(counted(texts));
            assertThat(rows).allSatisfy(row -> {
                assertThat(row.<String>getAs("dataset_id"))
                        .isEqualTo("id of memory " + result.lineage().version());
                assertThat(row.<Integer>getAs("num_tokens")).isBetween(1, MAX);
                assertThat(row.<Integer>getAs("num_sequences"))
                        .isEqualTo(row.getList(7).size());
            });
            TokenStatistics statistics = result.statistics();
            long tokens = texts.stream().mapToLong(String::length).sum();
            assertThat(statistics)
                    .isEqualTo(new TokenStatistics(
                            700, 0, Map.of(), 700, 0, rows.size(), MAX, tokens, tokens - 700, statistics.fillRatio()));
            assertThat(statistics.fillRatio())
                    .isEqualTo((double) tokens / (rows.size() * (double) MAX))
                    .isGreaterThan(0.9);
        }
    }

    @Test
    void rowsDoNotDependOnOrderOrPartitions() {
        List<String> texts = texts(400);
        texts.addAll(texts.subList(0, 50));
        List<Row> once = rows(frame(texts, 1));
        Collections.shuffle(texts, new Random(5));
        spark.conf().set("spark.sql.shuffle.partitions", 7);
        try {
            assertThat(rows(frame(texts, 5))).isEqualTo(once);
        } finally {
            spark.conf().set("spark.sql.shuffle.partitions", 3);
        }
        assertThat(rows(frame(texts.subList(1, texts.size()), 5))).isNotEqualTo(once);
    }

    @Test
    void spreadsCopiesOverWindowsAndStillNumbersTheRows() {
        List<String> texts = new ArrayList<>(IntStream.range(0, 80)
                .mapToObj(i -> Character.toString(0x400 + i).repeat(MAX))
                .toList());
        texts.addAll(Collections.nCopies(40, "copy".repeat(MAX / 4)));
        try (TokenizationResult result = run(frame(texts, 2), options().build())) {
            List<Row> rows = result.shards().orderBy("row_index").collectAsList();
            assertThat(rows).extracting(row -> row.<Long>getAs("row_index")).isEqualTo(indices(120));
            assertThat(sequences(rows)).isEqualTo(counted(texts));
            List<Long> copies = rows.stream()
                    .filter(row -> row.<Integer>getList(8).get(1) == 'o')
                    .map(row -> row.<Long>getAs("row_index"))
                    .toList();
            assertThat(copies).hasSize(40);
            assertThat(copies.get(39) - copies.get(0)).isGreaterThan(80);
        }
    }

    @Test
    void withoutPackingEachSequenceIsARow() {
        List<String> texts = texts(50);
        try (TokenizationResult result =
                run(frame(texts, 2), options().packing(false).build())) {
            List<Row> rows = result.shards().collectAsList();
            assertThat(rows).hasSize(50).allSatisfy(row -> assertThat(row.<Integer>getAs("num_sequences"))
                    .isOne());
            assertThat(sequences(rows)).isEqualTo(counted(texts));
        }
    }

    @Test
    void masksWhatIsNoTargetAndTheFirstToken() throws IOException {
        Path file = Files.writeString(
                dir.resolve("a.jsonl"),
                """
                {"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}]}
                """);
        try (TokenizationResult result = run(read(file), options().build())) {
            Row row = result.shards().first();
            assertThat(row.<Integer>getList(8)).containsExactly(97, 98, 99, 100);
            assertThat(row.<Integer>getList(9)).containsExactly(-100, -100, 99, 100);
            assertThat(row.<Integer>getAs("num_target_tokens")).isEqualTo(2);
        }
        Path text = Files.writeString(dir.resolve("b.jsonl"), "{\"text\": \"abc\"}");
        try (TokenizationResult result = run(read(text), options().build())) {
            assertThat(result.shards().first().<Integer>getList(9)).containsExactly(-100, 98, 99);
        }
    }

    @Test
    void badRowsAreRejectedWithTheirReason() throws IOException {
        String cut = "x".repeat(100);
        Path file = Files.writeString(
                dir.resolve("a.jsonl"),
                """
                {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
                {"messages": [{"role": "user", "content": "%s"}, {"role": "assistant", "content": "b"}]}
                {"messages": [{"role": "assistant", "content": "%s"}]}
                {"messages": [{"role": "error", "content": "a"}]}
                {"messages": null}

                {"messages": [{"role"
                {"messages": [], "long": "%s"}
                """
                        .formatted(cut, cut, "y".repeat(3000)));
        try (TokenizationResult result = run(read(file), options().build())) {
            assertThat(result.shards().count()).isEqualTo(2);
            assertThat(result.rejected().schema().simpleString()).isEqualTo(TokenShards.REJECTED_SCHEMA.simpleString());
            Map<String, Row> rejected = new HashMap<>();
            result.rejected().collectAsList().forEach(row -> rejected.put(row.getString(2), row));
            assertThat(rejected)
                    .containsOnlyKeys(
                            "no_target_tokens",
                            "template_error",
                            "missing_messages",
                            "corrupt_record",
                            "empty_conversation");
            assertThat(rejected.get("no_target_tokens").getString(3))
                    .isEqualTo(
                            "none of the 64 tokens counts in the loss, the ones that did were cut off by max_seq_length");
            assertThat(rejected.get("corrupt_record").getString(1)).isEqualTo("{\"messages\": [{\"role\"");
            assertThat(rejected.get("empty_conversation").getString(1))
                    .hasSize(2000)
                    .endsWith("yyy");
            assertThat(result.statistics().rejectedByReason())
                    .isEqualTo(Map.of(
                            "no_target_tokens",
                            1L,
                            "template_error",
                            1L,
                            "missing_messages",
                            1L,
                            "corrupt_record",
                            1L,
                            "empty_conversation",
                            1L));
            assertThat(result.statistics().rows()).isEqualTo(7);
            assertThat(result.statistics().truncatedSequences()).isOne();
        }
    }

    @Test
    void cachedRowsCanBeWrittenToDiskByKryo() {
        SourceRows source =
                SourceRows.of(spark.range(9).selectExpr("if(id < 5, concat('text ', id), '') AS text"), "memory");
        try (TokenizationResult result = run(source, options().build())) {
            for (Dataset<Row> rows : List.of(result.shards(), result.rejected(), tokenized(source))) {
                Dataset<Row> onDisk = rows.persist(StorageLevel.DISK_ONLY());
                assertThat(onDisk.count()).isPositive();
                onDisk.unpersist();
            }
        }
    }

    private Dataset<Row> tokenized(SourceRows source) {
        TokenizeOptions options = options().build();
        RowShape shape = RowShapes.of(source, options);
        return new TokenizeJob(spark, options, WINDOW)
                .tokenize(SourceText.of(spark, source, shape), shape, RowShare.WHOLE, CharacterTokenizer.source(MAX));
    }

    @Test
    void structsOfTablesBecomeTheSameConversationsAsJson() throws IOException {
        Path json = Files.writeString(
                dir.resolve("a.jsonl"),
                """
                {"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd", "name": "x"}]}
                """);
        Path parquet = dir.resolve("p");
        spark.read()
                .schema("messages array<struct<role string, content string, name string>>")
                .json(json.toString())
                .write()
                .parquet(parquet.toString());
        try (TokenizationResult a = run(read(json), options().build());
                TokenizationResult b = run(read(parquet), options().build())) {
            assertThat(b.shards().drop("dataset_id").collectAsList())
                    .isEqualTo(a.shards().drop("dataset_id").collectAsList());
        }
    }

    @Test
    void csvRecordsThatDoNotFitAreRejected() throws IOException {
        Path file = Files.writeString(dir.resolve("a.csv"), "id,question,answer\n1,ab,cd\n2,ab\n3,,x\n");
        TokenizeOptions options =
                options().promptColumn("question").completionColumn("answer").build();
        try (TokenizationResult result = run(read(file), options)) {
            assertThat(result.statistics().sequences()).isOne();
            assertThat(result.statistics().rejectedByReason())
                    .isEqualTo(Map.of("corrupt_record", 1L, "missing_text", 1L));
        }
    }

    @Test
    void namesColumnsThatAreNotThere() {
        SourceRows source = SourceRows.of(spark.sql("SELECT 'a' AS Prompt, 1 AS answer, 'x' AS body"), "memory");
        assertThatThrownBy(() -> run(source, options().textColumn("bodi").build()))
                .hasMessage(
                        "QLORA-D052: text_column names 'bodi', which the dataset doesn't have; its columns are Prompt, "
                                + "answer, body; did you mean 'body'?");
        assertThatThrownBy(() -> run(source, options().build()))
                .hasMessageStartingWith("QLORA-D053: the dataset has none of the columns that tell its row shape")
                .hasMessageContaining("its columns are Prompt, answer, body");
        assertThatThrownBy(() -> run(source, options().textColumn("answer").build()))
                .hasMessage("QLORA-D060: the column answer is of type int, wanted is a string; name another column or "
                        + "convert it");
    }

    @Test
    void aSourceWithoutAUsableRowIsAnError() throws IOException {
        Path bad = Files.writeString(dir.resolve("bad.jsonl"), "{\"text\": \"\"}\n{\"text\": \"\"}\nnonsense\n");
        assertThatThrownBy(() -> run(read(bad), options().build()))
                .hasMessage("QLORA-D056: none of the 3 rows of " + bad + " can be used (corrupt_record: 1, "
                        + "empty_text: 2); for example empty_text: text is empty; mend the rows or the keys that name the "
                        + "columns");
        SourceRows none = SourceRows.of(spark.sql("SELECT 'a' AS text").where("false"), "memory");
        assertThatThrownBy(() -> run(none, options().build()))
                .hasMessage("QLORA-D055: the dataset memory has no row; give one with at least one");
    }

    @Test
    void aFileThatBreaksWhileItIsReadIsNamed() throws IOException {
        Path folder = dir.resolve("p");
        spark.range(1)
                .selectExpr("repeat('a', 100) AS text")
                .coalesce(1)
                .write()
                .parquet(folder.toString());
        SourceRows source = read(folder);
        Path file;
        try (var files = Files.list(folder)) {
            file = files.filter(path -> path.toString().endsWith(".parquet"))
                    .findFirst()
                    .orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, new byte[bytes.length]);
        assertThatThrownBy(() -> run(source, options().build()))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-D054: can't read file:")
                .hasMessageContaining(file.getFileName().toString());
    }

    private TokenizationResult run(SourceRows source, TokenizeOptions options) {
        return new Tokenizing(spark, options, WINDOW)
                .run(
                        source,
                        RowShapes.of(source, options),
                        CharacterTokenizer.source(MAX),
                        lineage -> "id of " + lineage.identity() + " " + lineage.version());
    }

    private List<Row> rows(SourceRows source) {
        try (TokenizationResult result = run(source, options().build())) {
            return result.shards().orderBy(col("row_index")).collectAsList();
        }
    }

    private static TokenizeOptions.Builder options() {
        return TokenizeOptions.builder().maxSeqLength(MAX);
    }

    private SourceRows read(Path path) {
        return DataSource.of(path.toString(), "auto").read(spark);
    }

    private SourceRows frame(List<String> texts, int partitions) {
        Dataset<Row> rows =
                spark.createDataset(texts, Encoders.STRING()).toDF("text").repartition(partitions);
        return SourceRows.of(rows, "memory");
    }

    private static List<String> texts(int count) {
        Random random = new Random(1);
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            texts.add(i + " " + "abcdefgh".substring(random.nextInt(8)).repeat(1 + random.nextInt(6)));
        }
        return texts;
    }

    private static List<Long> indices(int count) {
        return IntStream.range(0, count).mapToObj(Long::valueOf).toList();
    }

    private static Map<String, Integer> counted(List<String> texts) {
        Map<String, Integer> counts = new HashMap<>();
        texts.forEach(text -> counts.merge(text, 1, Integer::sum));
        return counts;
    }

    /** The texts that the rows hold, with how often; their labels must be their ids but for the first. */
    private static Map<String, Integer> sequences(List<Row> rows) {
        List<String> texts = new ArrayList<>();
        for (Row row : rows) {
            List<Integer> ids = row.getList(8);
            List<Integer> labels = row.getList(9);
            int offset = 0;
            for (int length : row.<Integer>getList(7)) {
                List<Integer> sequence = ids.subList(offset, offset + length);
                List<Integer> expected = new ArrayList<>(sequence);
                expected.set(0, -100);
                assertThat(labels.subList(offset, offset + length)).isEqualTo(expected);
                StringBuilder text = new StringBuilder();
                sequence.forEach(id -> text.append((char) (int) id));
                texts.add(text.toString());
                offset += length;
            }
            assertThat(offset).isEqualTo(ids.size()).isEqualTo(row.<Integer>getAs("num_tokens"));
        }
        return counted(texts);
    }
}
