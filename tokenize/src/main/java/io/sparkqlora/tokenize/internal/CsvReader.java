// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import org.apache.spark.sql.DataFrameReader;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * CSV as RFC 4180 and pandas have it: a header line, quotes doubled within quotes, line breaks within quotes. Every column
 * is a string. Records with too few or too many fields keep their text in {@link #CORRUPT}, and are rejected.
 */
public final class CsvReader {

    /** Spark's own name for the text of a record that doesn't fit. */
    static final String CORRUPT = "_corrupt_record";

    private CsvReader() {}

    /** The rows; the header of the first file is read now. */
    public static Dataset<Row> read(SparkSession spark, SourceFiles files) {
        StructType header = reader(spark).csv(files.paths()[0]).schema();
        StructType schema = header.add(CORRUPT, DataTypes.StringType);
        return reader(spark)
                .schema(schema)
                // a file whose header has other columns is an error, not data in the wrong column
                .option("enforceSchema", false)
                .option("columnNameOfCorruptRecord", CORRUPT)
                .csv(files.paths());
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
