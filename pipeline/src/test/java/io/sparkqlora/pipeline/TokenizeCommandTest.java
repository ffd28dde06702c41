// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.pipeline.Cli.Ended;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code qlora tokenize} on every kind of source, and on those that have no row. */
class TokenizeCommandTest {

    @TempDir
    Path dir;

    private final SparkSession spark = TestSpark.session();
    private Path output;
    private Path conversations;

    @BeforeEach
    void prepare() {
        output = dir.resolve("out");
        conversations = TestJobs.conversations(dir.resolve("data.jsonl"), 3);
    }

    @Test
    void jsonLinesCsvAndParquetAreRead() {
        Ended lines = tokenize(conversations).done();
        assertThat(lines.text("dataset")).isEqualTo(conversations.toString());
        assertThat(lines.text("dataset_version")).startsWith("files:");
        assertThat(lines.outcome().get("rejected_rows").asLong()).isZero();

        Path parquet = dir.resolve("parquet");
        rows().write().parquet(parquet.toString());
        Ended columns = tokenize(parquet).done();
        assertThat(columns.text("dataset_version")).startsWith("files:");
        assertThat(columns.outcome().get("num_tokens"))
                .isEqualTo(lines.outcome().get("num_tokens"));
        assertThat(columns.text("dataset_id")).isNotEqualTo(lines.text("dataset_id"));

        // as a spreadsheet saves it: a byte order mark, Windows' line ends, one of them within quotes, a record too
        // short
        Path csv = TestJobs.write(
                dir.resolve("data.csv"), "\uFEFFprompt,completion\r\nsay 1,\"abc\r\n\"\"1\"\"\"\r\nsay 2\r\n");
        Ended records = tokenize(csv).done();
        assertThat(records.outcome().get("packed_rows").asLong()).isEqualTo(1);
        assertThat(records.outcome().get("rejected_rows").asLong()).isEqualTo(1);
    }

    @Test
    void aDeltaTableIsAnotherDataSetWithEachVersion() {
        Path table = dir.resolve("delta");
        rows().coalesce(1).write().format("delta").save(table.toString());
        Ended first = tokenize(table).done();
        assertThat(first.text("dataset_version")).isEqualTo("delta:0");
        assertThat(first.outcome().get("reused").asBoolean()).isFalse();

        Ended again = tokenize(table).done();
        assertThat(again.text("dataset_id")).isEqualTo(first.text("dataset_id"));
        assertThat(again.outcome().get("reused").asBoolean()).isTrue();

        rows().coalesce(1).write().format("delta").mode("append").save(table.toString());
        Ended second = tokenize(table).done();
        assertThat(second.text("dataset_version")).isEqualTo("delta:1");
        assertThat(second.text("dataset_id")).isNotEqualTo(first.text("dataset_id"));
        assertThat(second.outcome().get("num_tokens").asLong())
                .isEqualTo(2 * first.outcome().get("num_tokens").asLong());
    }

    @Test
    void aTableOfTheCatalogIsReadByItsName() {
        rows().coalesce(1).write().format("delta").saveAsTable("chats_by_name");
        try {
            Ended ended = tokenize("chats_by_name").done();
            assertThat(ended.text("dataset")).isEqualTo("chats_by_name");
            assertThat(ended.text("dataset_version")).isEqualTo("delta:0");
        } finally {
            spark.sql("DROP TABLE chats_by_name");
        }
        unchanged("chats_by_name", "dataset_format=table").refused(3, "QLORA-D061", "no table or view chats_by_name");
    }

    @Test
    void theTokenizersFilesAreEnough() throws IOException {
        Path folder = Files.createDirectory(dir.resolve("tokenizer"));
        for (String name : new String[] {"tokenizer.json", "tokenizer_config.json"}) {
            Files.copy(TestJobs.base().resolve(name), folder.resolve(name));
        }
        String setting = "model_name_or_path=" + folder;
        assertThat(tokenize(conversations, setting).done().text("dataset_id"))
                .as("the same data set as with the whole checkpoint")
                .isEqualTo(tokenize(conversations).done().text("dataset_id"));

        // what is there of the model must fit
        String config = Files.readString(TestJobs.base().resolve("config.json"));
        Files.writeString(
                folder.resolve("config.json"), config.replaceFirst("\"vocab_size\": \\d+", "\"vocab_size\": 12"));
        unchanged(conversations.toString(), setting).refused(3, "QLORA-D005", "the model's vocab_size is 12");
        Files.delete(folder.resolve("tokenizer.json"));
        unchanged(conversations.toString(), setting).refused(3, "QLORA-D001", folder + " has no tokenizer.json");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "nothing.csv|''",
                "nothing.jsonl|''",
                "nothing.json|''",
                "blanks.csv|'\n\n  \n'",
                "blanks.jsonl|'\n\n  \n'",
                "header.csv|'prompt,completion\n\n'",
                "array.json|'[ ]'"
            })
    void aFileWithoutARowIsRefused(String name, String text) {
        Path file = TestJobs.write(dir.resolve(name), text);
        unchanged(file.toString()).refused(3, "QLORA-D055: the dataset ", file + " has no row; give one");
    }

    @Test
    void aFolderWithoutAFileAndParquetWithoutARowAreRefused() throws IOException {
        Path folder = Files.createDirectory(dir.resolve("folder"));
        Files.createFile(folder.resolve("_SUCCESS"));
        unchanged(folder.toString())
                .refused(3, "QLORA-D055: the dataset " + folder + " has no row: the folder holds no");
        Path parquet = dir.resolve("parquet");
        rows().limit(0).write().parquet(parquet.toString());
        unchanged(parquet.toString()).refused(3, "QLORA-D055: the dataset ", parquet + " has no row; give one");
    }

    @Test
    void anOutputDirectoryThatCantBeWrittenIsRefusedBeforeAnythingIsDone() {
        Path file = TestJobs.write(dir.resolve("file"), "mine");
        String reason = "can't be written: " + file + " is no directory; check the path";
        for (Path root : new Path[] {file, file.resolve("below")}) {
            Ended ended = tokenize(conversations, "output_dir=" + root)
                    .refused(2, "QLORA-P035: output_dir " + root + " " + reason);
            assertThat(ended.err()).doesNotContain("tokenising");
        }
        // there, but nobody can make anything in it: known only when the tables are made
        tokenize(conversations, "output_dir=/proc/none")
                .refused(2, "QLORA-P035: output_dir /proc/none can't be written");
        tokenize(conversations, "output_dir=s3a://bucket/out")
                .refused(2, "QLORA-P035: output_dir s3a://bucket/out can't be written", "the jars of its filesystem");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "a.b.c.d.e|QLORA-D061: there is no table or view a.b.c.d.e",
                "no name!|QLORA-D061: there is no table or view no name!"
            })
    void aNameThatNoTableCanHaveIsRefused(String name, String message) {
        unchanged(name, "dataset_format=table").refused(3, message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "s3a://bucket/data.jsonl|S3AFileSystem not found; check the path, and that the jars of its filesystem are",
                "nope://host/data.jsonl|No FileSystem for scheme \"nope\"; check the path",
                "DIR/a:b.jsonl|Hadoop can't take names with a colon (a:b.jsonl); rename that file"
            })
    void aPlaceThatCantBeListedIsRefused(String location, String message) {
        TestJobs.write(dir.resolve("a:b.jsonl"), "{}");
        String source = location.replace("DIR", dir.toString());
        unchanged(source).refused(3, "QLORA-D063: can't list " + source + ": ", message);
    }

    @Test
    void anyNameOfAColumnOrFileWillDo() throws IOException {
        Path folder = Files.createDirectory(dir.resolve("sp ace ü% #"));
        Path csv = TestJobs.write(
                folder.resolve("da ta.csv"), "prompt,completion,_corrupt_record\nsay 1,abc,fine\nsay 2,abc\n");
        Ended ended = tokenize(csv).done();
        assertThat(ended.outcome().get("packed_rows").asLong()).isEqualTo(1);
        assertThat(ended.outcome().get("rejected_rows").asLong()).isEqualTo(1);
    }

    @Test
    void aTokenizerWithoutVocabularyAndAFolderThatIsNotThereAreRefused() throws IOException {
        Path base = TestJobs.copyOfBase(dir.resolve("base"));
        Files.writeString(base.resolve("tokenizer.json"), "{}");
        unchanged(conversations.toString(), "model_name_or_path=" + base)
                .refused(3, "QLORA-D002: " + base.resolve("tokenizer.json") + " can't be used: it has no vocabulary");
        unchanged(conversations.toString(), "model_name_or_path=org/model")
                .refused(3, "QLORA-P181: model_name_or_path org/model is no folder here", "write hf://org/model");
    }

    @Test
    void aTemplateThatFailsOnEveryRowIsToBeMended() {
        unchanged(conversations.toString(), "chat_template={% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")
                .refused(
                        3,
                        "QLORA-D056: none of the 3 rows of " + conversations + " can be used (template_error: 3)",
                        "maximum recursion depth exceeded, line 1 of the template; mend the chat template, or name");
    }

    private Dataset<Row> rows() {
        return spark.read().json(conversations.toString());
    }

    private Ended tokenize(Object source, String... settings) {
        JobConfig job = TestJobs.small(output).set("dataset", source.toString()).build();
        return Cli.run("tokenize", job, settings);
    }

    private Ended unchanged(String source, String... settings) {
        Set<String> before = Cli.files(output);
        Ended ended = tokenize(source, settings);
        assertThat(Cli.files(output)).isEqualTo(before);
        return ended;
    }
}
