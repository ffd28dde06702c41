// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.CsvReader;
import io.sparkqlora.tokenize.internal.DeltaLog;
import io.sparkqlora.tokenize.internal.FormatInference;
import io.sparkqlora.tokenize.internal.JsonReader;
import io.sparkqlora.tokenize.internal.ReadFailures;
import io.sparkqlora.tokenize.internal.SourceFiles;
import io.sparkqlora.tokenize.internal.TableReader;
import java.util.Objects;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * A source of training rows: files (a path, a folder or a glob, on any filesystem that Hadoop knows), a Delta table's
 * folder, or a table of the catalog.
 *
 * @param location the path or the table's name
 * @param format how it is stored
 */
public record DataSource(String location, DataFormat format) {

    public DataSource {
        Objects.requireNonNull(location, "location");
        Objects.requireNonNull(format, "format");
    }

    /** A source as a job file names it; {@code format} null means {@code auto}. */
    public static DataSource of(String location, String format) {
        return new DataSource(location, DataFormat.of(format));
    }

    /**
     * Resolves the source. The rows are read later, by the tokenise job; of JSON and CSV only the first ones are looked at.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D050 nothing there, D051 format unknown or undecidable, D054 a file
     *     can't be read, D055 no file, D057 no Delta in this session, D061 no such table
     */
    public SourceRows read(SparkSession spark) {
        DataFormat actual = format == DataFormat.AUTO ? FormatInference.infer(spark, location) : format;
        return ReadFailures.translating(location, () -> switch (actual) {
            case TABLE -> TableReader.read(spark, location);
            case DELTA -> delta(spark);
            default -> files(spark, actual);
        });
    }

    private SourceRows delta(SparkSession spark) {
        long version = DeltaLog.version(spark, location);
        Dataset<Row> rows = DeltaLog.read(spark, location, version);
        String identity = "delta:" + SourceFiles.qualified(spark, location);
        return SourceRows.of(rows, new Lineage(identity, "delta:" + version));
    }

    private SourceRows files(SparkSession spark, DataFormat actual) {
        SourceFiles files = SourceFiles.list(spark, location);
        Lineage lineage =
                new Lineage(actual.key() + ":" + SourceFiles.qualified(spark, location), "files:" + files.hash());
        return switch (actual) {
            case JSON, JSONL -> SourceRows.ofJson(JsonReader.read(spark, files, actual), lineage);
            case CSV -> SourceRows.ofCsv(CsvReader.read(spark, files), lineage);
            default -> SourceRows.of(spark.read().parquet(files.paths()), lineage);
        };
    }
}
