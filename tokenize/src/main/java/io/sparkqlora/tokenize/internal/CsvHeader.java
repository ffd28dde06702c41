// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.sql.SparkSession;

/**
 * The first record of a CSV file, with the line breaks within its quotes. Spark would read it by a way of its own, on which a
 * name with the characters of a glob is taken for one.
 */
final class CsvHeader {

    private static final char BYTE_ORDER_MARK = '\uFEFF';

    private CsvHeader() {}

    /** The record's text; empty if the file has none. */
    static String record(SparkSession spark, FileStatus file) {
        try (Reader reader =
                new BufferedReader(new InputStreamReader(SourceFiles.open(spark, file), StandardCharsets.UTF_8))) {
            return record(reader);
        } catch (IOException e) {
            throw TokenizeErrors.unreadable(file.getPath().toString(), e.getMessage(), e);
        }
    }

    private static String record(Reader reader) throws IOException {
        StringBuilder text = new StringBuilder();
        boolean quoted = false;
        for (int c = reader.read(); c >= 0; c = reader.read()) {
            boolean lineEnds = !quoted && (c == '\n' || c == '\r');
            if (lineEnds && !text.isEmpty()) {
                break;
            }
            // a doubled quote opens again what it closed
            quoted ^= c == '"';
            if (!lineEnds && c != BYTE_ORDER_MARK) {
                text.append((char) c);
            }
        }
        return text.toString();
    }
}
