// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.tables;

import io.sparkqlora.pipeline.PipelineErrors;
import java.util.Map;
import org.apache.spark.sql.SparkSession;

/** What a session needs so that it can do Delta's commands. */
public final class DeltaSettings {

    /** The settings, which must be there before the session starts. */
    public static final Map<String, String> REQUIRED = Map.of(
            "spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog");

    /**
     * For tables of few files, as a job's are, where nobody set anything else: each commit asks for the table's state several times,
     * in as many tasks as the first says; and the second is a query over the files so far at each commit, to spare readers of
     * tables of many files one.
     */
    public static final Map<String, String> OF_FEW_FILES = Map.of(
            "spark.databricks.delta.snapshotPartitions", "2",
            "spark.databricks.delta.allFilesInCrc.enabled", "false");

    private DeltaSettings() {}

    /** @throws io.sparkqlora.kernels.QLoraException CONFIG if the session lacks one */
    public static void check(SparkSession spark) {
        REQUIRED.forEach((key, value) -> {
            if (!spark.conf().get(key, "").contains(value)) {
                throw PipelineErrors.sessionLacksDelta(key, value);
            }
        });
    }
}
