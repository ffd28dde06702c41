// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.TokenizeErrors;
import java.io.IOException;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * A Delta table's newest version, from the names in its log (Delta's protocol: each commit is {@code <version>.json}), so
 * that this module needs no class of Delta's.
 */
public final class DeltaLog {

    private static final String LOG = "_delta_log";
    private static final Pattern COMMIT = Pattern.compile("(\\d{20})(?:\\.[0-9a-f-]+)?\\.json");
    private static final Pattern CHECKPOINT = Pattern.compile("(\\d{20})\\.checkpoint\\..*");

    private DeltaLog() {}

    /** Whether there is a log at this path. */
    static boolean exists(SparkSession spark, String location) {
        return newest(spark, location).isPresent();
    }

    /**
     * The newest version.
     *
     * @throws io.sparkqlora.kernels.QLoraException QLORA-D050 when this is no Delta table
     */
    public static long version(SparkSession spark, String location) {
        return newest(spark, location).orElseThrow(() -> TokenizeErrors.noDeltaTable(location));
    }

    /** The rows of one version, so that a commit made meanwhile can't come between the lineage and the rows. */
    public static Dataset<Row> read(SparkSession spark, String location, long version) {
        return spark.read().format("delta").option("versionAsOf", version).load(location);
    }

    private static OptionalLong newest(SparkSession spark, String location) {
        try {
            Path log = new Path(location, LOG);
            FileSystem system = log.getFileSystem(SourceFiles.configuration(spark));
            if (!system.exists(log)) {
                return OptionalLong.empty();
            }
            return newest(system.listStatus(log));
        } catch (IOException | RuntimeException e) {
            // a glob is no path; one that can't be listed, on a filesystem that isn't there, is reported when its files
            // are
            return OptionalLong.empty();
        }
    }

    private static OptionalLong newest(FileStatus[] entries) {
        OptionalLong newest = OptionalLong.empty();
        for (FileStatus entry : entries) {
            String name = entry.getPath().getName();
            for (Pattern pattern : new Pattern[] {COMMIT, CHECKPOINT}) {
                Matcher matcher = pattern.matcher(name);
                if (matcher.matches()) {
                    long version = Long.parseLong(matcher.group(1));
                    newest = OptionalLong.of(Math.max(version, newest.orElse(version)));
                }
            }
        }
        return newest;
    }
}
