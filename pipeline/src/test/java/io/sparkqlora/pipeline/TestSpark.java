// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.pipeline.internal.kryo.KryoSettings;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import io.sparkqlora.pipeline.internal.tables.FaultyLogStore;
import org.apache.spark.sql.SparkSession;

/** The session that tests of a JVM share. */
public final class TestSpark {

    /** How often Spark tries a stage; what fails for good fails sooner than by default. */
    public static final int STAGE_ATTEMPTS = 2;

    private static SparkSession session;

    private TestSpark() {}

    public static synchronized SparkSession session() {
        if (session == null) {
            SparkSession.Builder builder = SparkSession.builder()
                    .master("local[4]")
                    .appName("test")
                    .config("spark.stage.maxConsecutiveAttempts", STAGE_ATTEMPTS)
                    .config("spark.delta.logStore.file.impl", FaultyLogStore.class.getName())
                    .config("spark.sql.warehouse.dir", System.getProperty("java.io.tmpdir") + "/spark-qlora-warehouse");
            FewRows.SETTINGS.forEach(builder::config);
            DeltaSettings.REQUIRED.forEach(builder::config);
            KryoSettings.shipped().forEach(builder::config);
            session = builder.getOrCreate();
        }
        return session;
    }

    /** Ends it where there is one, so that there may be another; {@link #session} makes it anew. */
    public static synchronized void stop() {
        if (session != null) {
            session.stop();
            session = null;
        }
    }
}
