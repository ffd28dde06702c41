// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.DataFormat;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * JSON files as rows of text, one object a row.
 *
 * @param rows one column, named {@code value}
 * @param columns the keys that the first rows have
 */
public record JsonReader(Dataset<Row> rows, List<String> columns) {

    /** The rows: the lines, or the elements of the arrays that the files are. */
    public static JsonReader read(SparkSession spark, SourceFiles files, DataFormat format) {
        if (format == DataFormat.JSON && startsWithArray(spark, files)) {
            Dataset<String> elements = spark.read()
                    .option("wholetext", true)
                    .textFile(files.paths())
                    .flatMap((FlatMapFunction<String, String>) JsonArrayElements::new, Encoders.STRING());
            List<String> first = elements.takeAsList(JsonColumns.LOOKED_AT);
            requireRows(files, first);
            return new JsonReader(elements.toDF("value"), JsonColumns.of(first.iterator()));
        }
        List<String> first = firstLines(spark, files);
        requireRows(files, first);
        return new JsonReader(spark.read().text(files.paths()), JsonColumns.of(first.iterator()));
    }

    private static void requireRows(SourceFiles files, List<String> first) {
        if (first.isEmpty()) {
            throw TokenizeErrors.emptySource(files.location());
        }
    }

    /** Read here, not by a job: in a new session a job for a few lines takes as long as ten thousands of them. */
    private static List<String> firstLines(SparkSession spark, SourceFiles files) {
        List<String> lines = new ArrayList<>();
        for (FileStatus file : files.files()) {
            try (BufferedReader reader =
                    new BufferedReader(new InputStreamReader(SourceFiles.open(spark, file), StandardCharsets.UTF_8))) {
                String line = reader.readLine();
                while (line != null && lines.size() < JsonColumns.LOOKED_AT) {
                    if (!line.isBlank()) {
                        lines.add(line);
                    }
                    line = reader.readLine();
                }
            } catch (IOException e) {
                throw unreadable(file, e);
            }
            if (lines.size() == JsonColumns.LOOKED_AT) {
                break;
            }
        }
        return lines;
    }

    /** Whether the first character of the first file that has one opens an array. */
    private static boolean startsWithArray(SparkSession spark, SourceFiles files) {
        for (FileStatus file : files.files()) {
            try (InputStream stream = SourceFiles.open(spark, file)) {
                int first = stream.read();
                while (first >= 0 && isBlankOrMark(first)) {
                    first = stream.read();
                }
                if (first >= 0) {
                    return first == '[';
                }
            } catch (IOException e) {
                throw unreadable(file, e);
            }
        }
        return false;
    }

    private static RuntimeException unreadable(FileStatus file, IOException e) {
        return TokenizeErrors.unreadable(file.getPath().toString(), e.getMessage(), e);
    }

    /** Blanks, and the bytes of UTF-8's byte order mark. */
    private static boolean isBlankOrMark(int b) {
        return b <= ' ' || b == 0xEF || b == 0xBB || b == 0xBF;
    }
}
