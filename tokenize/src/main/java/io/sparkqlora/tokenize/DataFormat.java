// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** How a source of training rows is stored; the values of the key {@code dataset_format}. */
public enum DataFormat {
    /** Found out from the catalog, a {@code _delta_log} folder or the files' extensions. */
    AUTO,
    /** Parquet files. */
    PARQUET,
    /** JSON: one object a line, or files that each hold one array of objects. */
    JSON,
    /** JSON lines: one object a line. */
    JSONL,
    /** Comma-separated values with a header line, quoted as RFC 4180 says (line breaks within quotes, quotes doubled). */
    CSV,
    /** A Delta table's folder. */
    DELTA,
    /** A table or view of Spark's catalog. */
    TABLE;

    /**
     * The format of a name.
     *
     * @param name as in a job file, in any case; null or empty means {@link #AUTO}
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D051 for a name that isn't known
     */
    public static DataFormat of(String name) {
        if (name == null || name.isBlank()) {
            return AUTO;
        }
        return Arrays.stream(values())
                .filter(format -> format.key().equals(name.strip().toLowerCase(Locale.ROOT)))
                .findFirst()
                .orElseThrow(() -> TokenizeErrors.unknownFormatName(name, names()));
    }

    /** The name as job files spell it. */
    public String key() {
        return name().toLowerCase(Locale.ROOT);
    }

    private static List<String> names() {
        return Arrays.stream(values()).map(DataFormat::key).toList();
    }
}
