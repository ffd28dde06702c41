// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.TokenizeErrors;
import java.util.List;
import org.apache.hadoop.fs.FileStatus;
import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * CSV as RFC 4180 and pandas have it: a header line, quotes doubled within quotes, line breaks within quotes. Every column
 * is a string. Records with too few or too many fields keep their text in {@link #CORRUPT}, and are rejected.
 *
 * @param rows the columns of the header and {@link #CORRUPT}
 * @param columns those of the header
 */
public record CsvReader(Dataset<Row> rows, List<String> columns) {

    /** The column with the text of a record that doesn't fit: a name that no header has, which Spark's own may be. */
    static final String CORRUPT = "_spark_qlora_corrupt_record";

    /**
     * The rows; the header of the first file that has one is read now.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D055 when no file has a header
     */
    public static CsvReader read(SparkSession spark, SourceFiles files) {
        StructType header = header(spark, files);
        StructType schema = header.add(CORRUPT, DataTypes.StringType);
        Dataset<Row> rows = reader(spark)
                .schema(schema)
                // a file whose header has other columns is an error, not data in the wrong column
                .option("enforceSchema", false)
                .option("columnNameOfCorruptRecord", CORRUPT)
                .csv(files.paths());
        return new CsvReader(rows, List.of(header.fieldNames()));
    }

    private static StructType header(SparkSession spark, SourceFiles files) {
        for (FileStatus file : files.files()) {
            List<String> record = List.of(CsvHeader.record(spark, file));
            StructType header = reader(spark)
                    .csv(spark.createDataset(record, Encoders.STRING()))
                    .schema();
            if (!String.join("", header.fieldNames()).isBlank()) {
                return header;
            }
        }
        throw TokenizeErrors.emptySource(files.location());
    }

    private static DataFrameReader reader(SparkSession spark) {
        return spark.read()
                .option("header", true)
                .option("inferSchema", false)
                .option("multiLine", true)
                .option("quote", "\"")
                .option("escape", "\"")
                .option("mode", "PERMISSIVE");
    }
}
