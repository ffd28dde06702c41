// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.kryo.KryoSettings;
import io.sparkqlora.pipeline.internal.tables.DeltaSettings;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/**
 * The session of a command: the one that is there, else one of the settings that spark-submit left, else a local one on all
 * cores.
 *
 * @param spark the session
 * @param owned whether it was made here and is stopped here
 */
record LocalSession(SparkSession spark, boolean owned) implements AutoCloseable {

    static LocalSession open() {
        return open(Map.of());
    }

    /**
     * The session.
     *
     * @param ofCluster settings that a session on a cluster gets unless they are set
     */
    static LocalSession open(Map<String, String> ofCluster) {
        if (SparkSession.getDefaultSession().isDefined()) {
            return new LocalSession(SparkSession.getDefaultSession().get(), false);
        }
        SparkConf given = new SparkConf();
        SparkSession.Builder builder = SparkSession.builder();
        KryoSettings.forSession(given).forEach(builder::config);
        defaults(given).forEach((key, value) -> {
            if (!given.contains(key)) {
                builder.config(key, value);
            }
        });
        if (!given.get("spark.master", "local").startsWith("local")) {
            ofCluster.forEach((key, value) -> builder.config(key, given.get(key, value)));
        }
        return new LocalSession(builder.getOrCreate(), true);
    }

    private static Map<String, String> defaults(SparkConf given) {
        Map<String, String> defaults = new LinkedHashMap<>(DeltaSettings.REQUIRED);
        defaults.putAll(DeltaSettings.OF_FEW_FILES);
        defaults.put("spark.app.name", "spark-qlora");
        if (!given.contains("spark.master")) {
            defaults.put("spark.master", "local[*]");
            defaults.put("spark.ui.enabled", "false");
            defaults.put("spark.ui.showConsoleProgress", "false");
            // a local session works on one machine's cores; more partitions only mean more small files
            defaults.put(
                    "spark.sql.shuffle.partitions",
                    String.valueOf(Runtime.getRuntime().availableProcessors()));
            // plans that adapt make each shuffle a job of its own, and there is nothing to adapt to on one machine
            defaults.put("spark.sql.adaptive.enabled", "false");
            // nobody else is to reach it; and no waiting for a name server that doesn't know this machine
            defaults.put("spark.driver.host", "127.0.0.1");
            defaults.put("spark.driver.bindAddress", "127.0.0.1");
            // no folder in the working directory just because a session was opened
            defaults.put("spark.sql.warehouse.dir", System.getProperty("java.io.tmpdir") + "/spark-qlora-warehouse");
        }
        return defaults;
    }

    @Override
    public void close() {
        if (owned) {
            spark.stop();
        }
    }
}
