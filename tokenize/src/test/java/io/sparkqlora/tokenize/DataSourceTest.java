// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataSourceTest {

    private final SparkSession spark = LocalSpark.session();

    @TempDir
    Path dir;

    @Test
    void readsJsonLinesAsTheyAre() throws IOException {
        write("a.jsonl", "{\"text\": \"one\", \"n\": 1.50}\n\n{\"text\": [\"two\"]}\n");
        SourceRows source = read(dir.resolve("a.jsonl"), "auto");
        assertThat(source.jsonText()).isTrue();
        assertThat(source.columns()).containsExactly("text", "n");
        assertThat(strings(source)).containsExactly("", "{\"text\": \"one\", \"n\": 1.50}", "{\"text\": [\"two\"]}");
        assertThat(source.lineage().identity()).isEqualTo("jsonl:file:" + dir.resolve("a.jsonl"));
        assertThat(source.lineage().version()).matches("files:[0-9a-f]{32}");
    }

    @Test
    void readsFilesThatAreAnArray() throws IOException {
        write("a.json", " [{\"text\": \"one\"},\n {\"text\": \"two\"}]");
        write("b.json", "[{\"text\": \"three\"}]");
        assertThat(strings(read(dir, null)))
                .containsExactly("{\"text\": \"one\"}", "{\"text\": \"three\"}", "{\"text\": \"two\"}");
    }

    @Test
    void readsLinesInJsonFiles() throws IOException {
        write("a.json", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
        assertThat(strings(read(dir, "json"))).containsExactly("{\"text\": \"one\"}", "{\"text\": \"two\"}");
    }

    @Test
    void readsCompressedFilesInFoldersAndOddNames() throws IOException {
        Files.createDirectories(dir.resolve("x/_year=1"));
        Files.createDirectories(dir.resolve("_temporary"));
        write("_temporary/c.jsonl", "hidden");
        write("x/b [1] {2}*.jsonl", "{\"text\": \"two\"}");
        write("x/_year=1/c.jsonl", "{\"text\": \"three\"}");
        write("x/.hidden.jsonl", "hidden");
        try (OutputStream stream = new GZIPOutputStream(Files.newOutputStream(dir.resolve("a.jsonl.gz")))) {
            stream.write("{\"text\": \"one\"}".getBytes(java.nio.charset.StandardCharsets.UTF_8));
        }
        assertThat(strings(read(dir, "auto")))
                .containsExactly("{\"text\": \"one\"}", "{\"text\": \"three\"}", "{\"text\": \"two\"}");
    }

    @Test
    void readsGlobs() throws IOException {
        write("a-1.jsonl", "1");
        write("a-2.jsonl", "2");
        write("b-1.jsonl", "3");
        assertThat(strings(read(dir.resolve("a-*.jsonl"), "auto"))).containsExactly("1", "2");
    }

    @Test
    void readsCsvWithLineBreaksAndQuotes() throws IOException {
        write("a.csv", "prompt,completion\n\"a \"\"b\"\"\nc, d\",e\\\nf,g,h\nonly\n");
        SourceRows source = read(dir.resolve("a.csv"), "auto");
        assertThat(source.columns()).containsExactly("prompt", "completion");
        List<Row> rows = source.rows().collectAsList();
        assertThat(rows.get(0).getString(0)).isEqualTo("a \"b\"\nc, d");
        assertThat(rows.get(0).getString(1)).isEqualTo("e\\");
        assertThat(rows.get(0).isNullAt(2)).isTrue();
        assertThat(rows.get(1).getString(2)).isEqualTo("f,g,h");
        assertThat(rows.get(2).getString(2)).isEqualTo("only");
    }

    @Test
    void readsCsvWithOddNamesAndHeaders() throws IOException {
        write("a [1] {2}*.csv", "\uFEFF\r\n\"the \"\"prompt\"\"\n\",completion\r\n1,2\r\n");
        SourceRows source = read(dir.resolve("a [1] {2}*.csv"), "auto");
        assertThat(source.columns()).containsExactly("the \"prompt\"\n", "completion");
        assertThat(source.rows().collectAsList())
                .extracting(row -> row.getString(1))
                .containsExactly("2");
        write("b [1].csv", "\n\n");
        assertThatThrownBy(() -> read(dir.resolve("b [1].csv"), "auto")).hasMessageStartingWith("QLORA-D055");
    }

    @Test
    void readsParquetAndNoticesChangedFiles() throws IOException {
        // a schema of many types travels from executor to driver
        spark.range(1)
                .selectExpr(
                        "'one' AS text",
                        "array(named_struct('a', map('k', 1.5D))) AS a",
                        "current_timestamp() AS t",
                        "current_date() AS d",
                        "1.5BD AS n",
                        "cast(id AS short) AS s",
                        "X'00' AS b",
                        "1.5F AS f",
                        "true AS y")
                .coalesce(1)
                .write()
                .parquet(dir.resolve("p").toString());
        SourceRows source = read(dir.resolve("p"), "auto");
        assertThat(source.columns()).containsExactly("text", "a", "t", "d", "n", "s", "b", "f", "y");
        assertThat(source.rows().first().getString(0)).isEqualTo("one");
        assertThat(read(dir.resolve("p"), "parquet").lineage()).isEqualTo(source.lineage());
        try (var files = Files.list(dir.resolve("p"))) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.setLastModifiedTime(file, FileTime.fromMillis(1_000_000));
            }
        }
        assertThat(read(dir.resolve("p"), "auto").lineage()).isNotEqualTo(source.lineage());
    }

    @Test
    void readsTheVersionOfADeltaTableThatItNames() {
        Path table = dir.resolve("d");
        spark.range(1).selectExpr("'one' AS text").write().format("delta").save(table.toString());
        SourceRows source = read(table, "auto");
        spark.range(1)
                .selectExpr("'two' AS text")
                .write()
                .format("delta")
                .mode("append")
                .save(table.toString());
        assertThat(source.lineage()).isEqualTo(new Lineage("delta:file:" + table, "delta:0"));
        assertThat(strings(source)).containsExactly("one");
        assertThat(read(table, "delta").lineage().version()).isEqualTo("delta:1");
    }

    @Test
    void readsTablesAndViews() {
        spark.sql("CREATE TABLE chats (text STRING) USING delta");
        spark.sql("INSERT INTO chats VALUES ('one')");
        spark.sql("CREATE OR REPLACE TEMPORARY VIEW chat_view AS SELECT text FROM chats");
        try {
            SourceRows source = DataSource.of("chats", "auto").read(spark);
            assertThat(source.lineage()).isEqualTo(new Lineage("table:chats", "delta:1"));
            assertThat(strings(source)).containsExactly("one");
            SourceRows view = DataSource.of("chat_view", "table").read(spark);
            assertThat(view.lineage()).isEqualTo(new Lineage("table:chat_view", null));
            assertThat(strings(view)).containsExactly("one");
        } finally {
            spark.sql("DROP TABLE chats");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
            missing.jsonl | auto    | QLORA-D050 | the dataset DIR/missing.jsonl doesn't exist
            missing-*     | parquet | QLORA-D050 | the dataset DIR/missing-* doesn't exist
            notes.txt     | auto    | QLORA-D059 | the format of DIR/notes.txt can't be told from its files' extensions 'txt'
            ''            | auto    | QLORA-D059 | can't be told from its files' extensions 'jsonl', 'parquet', 'txt'; name it
            empty         | auto    | QLORA-D055 | the dataset DIR/empty has no row: the folder holds no file
            bad.parquet   | auto    | QLORA-D054 | can't read file:DIR/bad.parquet: file:DIR/bad.parquet is not a Parquet file
            notes.txt     | delta   | QLORA-D062 | DIR/notes.txt is no Delta table
            notes.txt     | xml     | QLORA-D051 | dataset_format 'xml' isn't known; choose one of auto, parquet, json, jsonl
            """)
    void namesWhatIsWrong(String name, String format, String code, String message) throws IOException {
        write("notes.txt", "x");
        write("good.jsonl", "{\"text\": \"x\"}");
        write("bad.parquet", "this is no Parquet file, although it says so");
        Files.createDirectories(dir.resolve("empty"));
        assertThatThrownBy(() -> read(dir.resolve(name), format))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.code()).isEqualTo(code))
                .hasMessageContaining(message.replace("DIR", dir.toString()))
                .message()
                .hasLineCount(1);
    }

    @Test
    void namesATableThatIsNotThere() {
        assertThatThrownBy(() -> DataSource.of("no_such_table", "table").read(spark))
                .hasMessage(
                        "QLORA-D061: there is no table or view no_such_table (the current database is default); mend the "
                                + "key dataset, or name the format of the files with dataset_format");
    }

    private SourceRows read(Path path, String format) {
        return DataSource.of(path.toString(), format).read(spark);
    }

    private void write(String name, String text) throws IOException {
        Files.writeString(dir.resolve(name), text);
    }

    private static List<String> strings(SourceRows source) {
        Dataset<Row> rows = source.rows();
        return rows.select(rows.columns()[0]).as(Encoders.STRING()).collectAsList().stream()
                .sorted()
                .toList();
    }
}
