// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import java.util.Map;
import java.util.TreeMap;

/** The versions of what a run's result may depend on. */
public final class SoftwareVersions {

    private SoftwareVersions() {}

    /** Name to version. */
    public static Map<String, String> all() {
        Map<String, String> versions = new TreeMap<>();
        versions.put("spark-qlora", ofPackage(SoftwareVersions.class));
        versions.put("spark", org.apache.spark.package$.MODULE$.SPARK_VERSION());
        versions.put("delta", io.delta.package$.MODULE$.VERSION());
        versions.put("java", Runtime.version().toString());
        return versions;
    }

    private static String ofPackage(Class<?> type) {
        String version = type.getPackage().getImplementationVersion();
        return version == null ? "unpackaged" : version;
    }
}
