// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.DataFormat;
import io.sparkqlora.tokenize.TokenizeErrors;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.apache.spark.sql.SparkSession;

/** Decides a source's format when the job doesn't say: the catalog first, then {@code _delta_log}, then the extensions. */
public final class FormatInference {

    private static final Map<String, DataFormat> EXTENSIONS = Map.of(
            "parquet", DataFormat.PARQUET,
            "pq", DataFormat.PARQUET,
            "json", DataFormat.JSON,
            "jsonl", DataFormat.JSONL,
            "ndjson", DataFormat.JSONL,
            "csv", DataFormat.CSV);
    private static final Set<String> COMPRESSIONS =
            Set.of("gz", "bz2", "zst", "zstd", "lz4", "snappy", "deflate", "xz");
    private static final Pattern TABLE_NAME = Pattern.compile("[\\w`-]+(\\.[\\w`-]+){0,2}");

    private FormatInference() {}

    /**
     * The format of a source.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D050 when there is neither such a table nor such a path, D051 when
     *     the extensions don't tell
     */
    public static DataFormat infer(SparkSession spark, String location) {
        if (TABLE_NAME.matcher(location).matches() && spark.catalog().tableExists(location)) {
            return DataFormat.TABLE;
        }
        if (DeltaLog.exists(spark, location)) {
            return DataFormat.DELTA;
        }
        Set<String> extensions = new TreeSet<>();
        for (String path : SourceFiles.list(spark, location).paths()) {
            extensions.add(extension(path));
        }
        Set<DataFormat> formats = new TreeSet<>();
        extensions.forEach(extension -> formats.add(EXTENSIONS.getOrDefault(extension, DataFormat.AUTO)));
        if (formats.size() != 1 || formats.contains(DataFormat.AUTO)) {
            throw TokenizeErrors.undecidableFormat(location, extensions);
        }
        return formats.iterator().next();
    }

    /** The extension without that of a compression, or an empty string. */
    private static String extension(String path) {
        String name = path.substring(path.lastIndexOf('/') + 1).toLowerCase(Locale.ROOT);
        String last = afterDot(name);
        if (COMPRESSIONS.contains(last)) {
            String plain = name.substring(0, name.length() - last.length() - 1);
            return afterDot(plain);
        }
        return last;
    }

    private static String afterDot(String name) {
        int dot = name.lastIndexOf('.');
        return dot < 0 ? "" : name.substring(dot + 1);
    }
}
