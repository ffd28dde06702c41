// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.spark.SparkConf;

/** The serializer that spark-qlora ships with: Kryo, which reads no class that is not registered. */
public final class KryoSettings {

    private static final String SERIALIZER = "spark.serializer";
    private static final String KRYO = "org.apache.spark.serializer.KryoSerializer";
    private static final String REGISTRATOR = "spark.kryo.registrator";

    private KryoSettings() {}

    /** The settings of a session that has none of them. */
    public static Map<String, String> shipped() {
        return forSession(new SparkConf(false));
    }

    /**
     * What to add to a session's settings before it starts. A serializer that was chosen stays. Where Kryo was chosen, or
     * another registrator (RAPIDS has one), ours stands beside it, and whether unregistered classes are refused is left to
     * whoever chose.
     */
    public static Map<String, String> forSession(SparkConf given) {
        Map<String, String> settings = new LinkedHashMap<>();
        if (!given.get(SERIALIZER, KRYO).equals(KRYO)) {
            return settings;
        }
        boolean chosen = given.contains(SERIALIZER) || given.contains(REGISTRATOR);
        String ours = QLoraKryoRegistrator.class.getName();
        String others = given.get(REGISTRATOR, "");
        settings.put(SERIALIZER, KRYO);
        if (!others.contains(ours)) {
            settings.put(REGISTRATOR, others.isEmpty() ? ours : others + "," + ours);
        }
        if (!chosen) {
            settings.put("spark.kryo.registrationRequired", "true");
        }
        // streams that write memory as it lies would depend on the machine
        settings.put("spark.kryo.unsafe", "false");
        return settings;
    }
}
