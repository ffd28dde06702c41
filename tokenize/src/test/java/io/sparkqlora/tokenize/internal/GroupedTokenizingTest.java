// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.tokenize.DataSource;
import io.sparkqlora.tokenize.LocalSpark;
import io.sparkqlora.tokenize.SourceRows;
import io.sparkqlora.tokenize.TokenGroup;
import io.sparkqlora.tokenize.TokenizationResult;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows that belong to groups. */
class GroupedTokenizingTest {

    private static final int MAX = 64;
    private static final int WINDOW = 10 * MAX;

    private final SparkSession spark = LocalSpark.session();

    @TempDir
    Path dir;

    @Test
    void aPackedRowHoldsOneGroupAndAGroupsRowsStandSideBySide() {
        List<String> lines = lines("ab", 300);
        lines.addAll(lines("c", 5));
        lines.addAll(lines("\u00e4 \"b\"", 40));
        Collections.shuffle(lines, new Random(3));
        try (TokenizationResult result = run(frame(lines, 4), options().build())) {
            List<Row> rows = result.shards().orderBy("row_index").collectAsList();
            assertThat(result.groups()).extracting(TokenGroup::key).containsExactly("ab", "c", "\u00e4 \"b\"");
            long next = 0;
            for (TokenGroup group : result.groups()) {
                assertThat(group.firstRow()).isEqualTo(next);
                List<Row> own = rows.subList((int) next, (int) (next + group.rows()));
                assertThat(own).allSatisfy(row -> assertThat(row.<String>getAs("group_key"))
                        .isEqualTo(group.key()));
                assertThat(own.stream().mapToInt(row -> row.<Integer>getAs("num_tokens")))
                        .contains(group.maxNumTokens())
                        .allMatch(tokens -> tokens <= group.maxNumTokens());
                assertThat(own.stream()
                                .mapToLong(row -> row.<Integer>getAs("num_target_tokens"))
                                .sum())
                        .isEqualTo(group.numTargetTokens());
                next += group.rows();
            }
            assertThat(next)
                    .isEqualTo(rows.size())
                    .isEqualTo(result.statistics().packedRows());
            assertThat(result.groups().stream().mapToLong(TokenGroup::numTokens).sum())
                    .isEqualTo(result.statistics().tokens());
            assertThat(rows.get(0).<String>getAs("hyperparameters")).isNull();
        }
    }

    @Test
    void aGroupsRowsDoNotDependOnOtherGroups() {
        List<String> alone = lines("ab", 120);
        List<String> among = new ArrayList<>(alone);
        // the same texts in another group, and a group before it
        among.addAll(
                alone.stream().map(line -> line.replace("\"ab\"", "\"zz\"")).toList());
        among.addAll(lines("aa", 77));
        assertThat(tokens(among, "ab")).isNotEmpty().isEqualTo(tokens(alone, "ab"));
        assertThat(tokens(among, "zz")).isEqualTo(tokens(alone, "ab"));
    }

    @Test
    void aRowWithoutAGroupIsRejectedAndAGroupOfRejectedRowsIsStillThere() throws IOException {
        SourceRows source = read(
                """
                {"text": "abc", "key": 7}
                {"text": "abc", "key": 7.5}
                {"text": "abc", "key": null}
                {"text": "abc"}
                {"text": "abc", "key": ""}
                {"text": "abc", "key": {"a": 1}}
                {"text": "", "key": "empty"}
                {"text": null, "key": "empty"}
                {"text": null, "key": "7"}
                """);
        try (TokenizationResult result = run(source, options().build())) {
            assertThat(result.statistics().rejectedByReason())
                    .isEqualTo(Map.of("missing_group", 2L, "invalid_group", 2L, "empty_text", 1L, "missing_text", 2L));
            assertThat(result.groups())
                    .containsExactly(
                            new TokenGroup("7", null, 0, 1, 3, 3, 2, new TreeMap<>(Map.of("missing_text", 1L))),
                            new TokenGroup("7.5", null, 1, 1, 3, 3, 2, new TreeMap<>()),
                            TokenGroup.allRejected("empty", Map.of("empty_text", 1L, "missing_text", 1L)));
            assertThat(result.rejected()
                            .where("reason = 'missing_group'")
                            .first()
                            .<String>getAs("detail"))
                    .isEqualTo("key is null");
            assertThat(result.rejected().where("group_key = 'empty'").count()).isEqualTo(2);
        }
    }

    @Test
    void hyperparametersAreAGroupsOwn() throws IOException {
        SourceRows source = read(
                """
                {"text": "abc", "key": "a", "set": {"seed": 1, "learning_rate": 1e-3}}
                {"text": "abd", "key": "a", "set": "{\\"learning_rate\\": 0.001, \\"seed\\": 1}"}
                {"text": "abc", "key": "b", "set": {"seed": 1}}
                {"text": "abd", "key": "b", "set": {"seed": 2}}
                {"text": "abc", "key": "c"}
                {"text": "abc", "key": "d", "set": "fast"}
                """);
        TokenizeOptions options = options().groupHyperparameters("set").build();
        try (TokenizationResult result = run(source, options)) {
            assertThat(result.groups())
                    .extracting(TokenGroup::hyperparameters)
                    .containsExactly(
                            "{\"learning_rate\":0.001,\"seed\":1}", "[{\"seed\":1},{\"seed\":2}]", "{}", "\"fast\"");
            assertThat(result.shards().where("group_key = 'b'").first().<String>getAs("hyperparameters"))
                    .isEqualTo("[{\"seed\":1},{\"seed\":2}]");
        }
        SourceRows columns = SourceRows.of(
                spark.sql("SELECT 'abc' AS text, 1.5D AS key, named_struct('seed', 3, 'r', null) AS set"), "memory");
        try (TokenizationResult result = run(columns, options)) {
            assertThat(result.groups())
                    .containsExactly(new TokenGroup("1.5", "{\"seed\":3}", 0, 1, 3, 3, 2, new TreeMap<>()));
        }
    }

    @Test
    void columnsThatCannotHoldGroupsAreRefused() {
        SourceRows source =
                SourceRows.of(spark.sql("SELECT 'a' AS text, array(1) AS key, 'k' AS tenant, 1 AS set"), "memory");
        assertThatThrownBy(() -> run(source, options().groupBy("tenants").build()))
                .hasMessageContaining("QLORA-D052: group_by names 'tenants'")
                .hasMessageEndingWith("did you mean 'tenant'?");
        assertThatThrownBy(() -> run(source, options().build()))
                .hasMessageContaining(
                        "QLORA-D060: the column key is of type array<int>, wanted is a string or a number");
        assertThatThrownBy(() -> run(
                        source,
                        options().groupBy("tenant").groupHyperparameters("set").build()))
                .hasMessageContaining(
                        "QLORA-D060: the column set is of type int, wanted is a struct, a map of strings");
        assertThatThrownBy(() ->
                        TokenizeOptions.builder().groupHyperparameters("set").build())
                .hasMessage("QLORA-D058: group_hyperparameters is set: it goes with group_by only");
    }

    @Test
    void anOptionThatIsNotSetChangesNoDatasetId() {
        assertThat(TokenizeOptions.builder().build())
                .hasToString("TokenizeOptions[messagesColumn=null, toolsColumn=null, promptColumn=null, "
                        + "completionColumn=null, textColumn=null, chatTemplate=null, chatTemplateDate=2024-07-26, "
                        + "maxSeqLength=1024, packing=true, assistantOnlyLoss=true, completionOnlyLoss=true]");
        assertThat(options().build().toString()).contains("groups=GroupColumns[key=key, hyperparameters=null]]");
    }

    /** A group's packed rows, in their order. */
    private List<List<Integer>> tokens(List<String> lines, String group) {
        try (TokenizationResult result = run(frame(lines, 3), options().build())) {
            return result.shards().where("group_key = '" + group + "'").orderBy("row_index").collectAsList().stream()
                    .map(row -> row.<Integer>getList(row.fieldIndex("input_ids")))
                    .map(List::copyOf)
                    .toList();
        }
    }

    private TokenizationResult run(SourceRows source, TokenizeOptions options) {
        return new Tokenizing(spark, options, WINDOW)
                .run(
                        source,
                        RowShapes.of(source, options),
                        CharacterTokenizer.source(MAX),
                        lineage -> "id of " + lineage.identity() + " " + lineage.version());
    }

    private static TokenizeOptions.Builder options() {
        return TokenizeOptions.builder().maxSeqLength(MAX).groupBy("key");
    }

    private SourceRows read(String lines) throws IOException {
        Path file = Files.writeString(dir.resolve("a.jsonl"), lines);
        return DataSource.of(file.toString(), "auto").read(spark);
    }

    private SourceRows frame(List<String> lines, int partitions) {
        return SourceRows.of(
                spark.read()
                        .schema("key string, text string")
                        .json(spark.createDataset(lines, Encoders.STRING()))
                        .repartition(partitions),
                "memory");
    }

    private static List<String> lines(String group, int count) {
        Random random = new Random(group.hashCode());
        String key = group.replace("\"", "\\\"");
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            lines.add(
                    "{\"key\": \"" + key + "\", \"text\": \"" + i + " " + "ab".repeat(1 + random.nextInt(20)) + "\"}");
        }
        return lines;
    }
}
