// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.DataFormat;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.IOException;
import java.io.InputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** JSON files as rows of text, one object a row, in a column named {@code value}. */
public final class JsonReader {

    private JsonReader() {}

    /** The rows: the lines, or the elements of the arrays that the files are. */
    public static Dataset<Row> read(SparkSession spark, SourceFiles files, DataFormat format) {
        if (format == DataFormat.JSON && startsWithArray(spark, files)) {
            return spark.read()
                    .option("wholetext", true)
                    .textFile(files.paths())
                    .flatMap((FlatMapFunction<String, String>) JsonArrayElements::new, Encoders.STRING())
                    .toDF("value");
        }
        return spark.read().text(files.paths());
    }

    /** Whether the first character of the first file that has one opens an array. */
    private static boolean startsWithArray(SparkSession spark, SourceFiles files) {
        for (FileStatus file : files.files()) {
            try (InputStream stream = open(SourceFiles.configuration(spark), file)) {
                int first = stream.read();
                while (first >= 0 && isBlankOrMark(first)) {
                    first = stream.read();
                }
                if (first >= 0) {
                    return first == '[';
                }
            } catch (IOException e) {
                throw TokenizeErrors.unreadable(file.getPath().toString(), e.getMessage(), e);
            }
        }
        return false;
    }

    /** Blanks, and the bytes of UTF-8's byte order mark. */
    private static boolean isBlankOrMark(int b) {
        return b <= ' ' || b == 0xEF || b == 0xBB || b == 0xBF;
    }

    private static InputStream open(Configuration configuration, FileStatus file) throws IOException {
        InputStream raw = file.getPath().getFileSystem(configuration).open(file.getPath());
        CompressionCodec codec = new CompressionCodecFactory(configuration).getCodec(file.getPath());
        return codec == null ? raw : codec.createInputStream(raw);
    }
}
