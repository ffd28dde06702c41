// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import java.util.Map;

/**
 * Spark's settings for queries over a few rows: to make code of a plan, to compile that, and to plan each stage anew is most
 * of what such a query takes.
 */
public final class FewRows {

    /** By key. */
    public static final Map<String, String> SETTINGS = Map.of(
            "spark.sql.codegen.wholeStage", "false",
            "spark.sql.codegen.factoryMode", "NO_CODEGEN",
            "spark.sql.adaptive.enabled", "false",
            "spark.sql.shuffle.partitions", "2",
            "spark.databricks.delta.snapshotPartitions", "1",
            "spark.databricks.delta.allFilesInCrc.enabled", "false",
            "spark.ui.enabled", "false");

    private FewRows() {}
}
