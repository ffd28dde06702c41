// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.spark.sql.SparkSession;

/** One session for all tests of the module: two cores, and the Kryo settings that the product ships. */
public final class LocalSpark {

    private static final String DELTA_CLASSES =
            "org.apache.spark.sql.delta.actions.AddFile,org.apache.spark.sql.delta.stats.DeltaFileStatistics";

    private static SparkSession session;

    private LocalSpark() {}

    public static synchronized SparkSession session() {
        if (session == null) {
            session = SparkSession.builder()
                    .master("local[2]")
                    .appName("tokenize tests")
                    .config("spark.ui.enabled", false)
                    .config("spark.sql.shuffle.partitions", 3)
                    // plans of a few rows: to make code of them and to compile that is most of what they would take
                    .config("spark.sql.codegen.wholeStage", false)
                    .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
                    .config("spark.sql.adaptive.enabled", false)
                    .config("spark.sql.warehouse.dir", temporary())
                    .config("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                    .config("spark.kryo.registrationRequired", true)
                    .config(
                            "spark.kryo.classesToRegister",
                            String.join(",", DELTA_CLASSES, String.join(",", KryoClasses.names())))
                    .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
                    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
                    .config("spark.databricks.delta.snapshotPartitions", 2)
                    .getOrCreate();
        }
        return session;
    }

    private static String temporary() {
        try {
            Path folder = Files.createTempDirectory("warehouse");
            folder.toFile().deleteOnExit();
            return folder.toUri().toString();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
