// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.CsvReader;
import io.sparkqlora.tokenize.internal.JsonReader;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * Rows to tokenise, not yet read.
 *
 * <p>Rows of JSON files stay the text they are, in one string column: a schema inferred over all of them would turn objects
 * into structs with the fields of every other row, and numbers into strings, which a chat template could see.
 *
 * @param rows the rows; one string column of JSON objects when {@code jsonText}
 * @param jsonText whether each row is the text of a JSON object
 * @param columns the columns that exist; for JSON, the keys seen in its first rows
 * @param lineage where they come from
 */
public record SourceRows(Dataset<Row> rows, boolean jsonText, List<String> columns, Lineage lineage) {

    public SourceRows {
        columns = List.copyOf(columns);
    }

    /** Rows of a DataFrame whose content decides the version. */
    public static SourceRows of(Dataset<Row> rows, String identity) {
        return of(rows, new Lineage(identity, null));
    }

    /** Rows of a DataFrame with a lineage that the caller vouches for. */
    public static SourceRows of(Dataset<Row> rows, Lineage lineage) {
        return new SourceRows(rows, false, List.of(rows.columns()), lineage);
    }

    /** Rows of CSV files. */
    static SourceRows ofCsv(CsvReader csv, Lineage lineage) {
        return new SourceRows(csv.rows(), false, csv.columns(), lineage);
    }

    /** Rows of JSON text. */
    static SourceRows ofJson(JsonReader json, Lineage lineage) {
        return new SourceRows(json.rows(), true, json.columns(), lineage);
    }
}
