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
