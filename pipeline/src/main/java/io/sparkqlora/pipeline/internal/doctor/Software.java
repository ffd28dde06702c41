// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import io.sparkqlora.pipeline.internal.doctor.Doctor.Check;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Properties;
import org.apache.hadoop.util.VersionInfo;

/** Java and the libraries that come from outside of the product's own jars. */
final class Software {

    private static final int JAVA = 17;
    /** Those that Spark opens with {@code JavaModuleOptions}, as far as jobs here come to them. */
    private static final List<String> OPENED = List.of("java.lang", "java.lang.invoke", "java.nio", "sun.nio.ch");

    private static final String VECTORS = "jdk.incubator.vector";

    private Software() {}

    static List<Check> checks() {
        return List.of(
                new Check("java", () -> java(Runtime.version().feature(), hasVectors(), closed())),
                new Check(
                        "spark",
                        () -> versioned("spark", org.apache.spark.package$.MODULE$.SPARK_VERSION(), "4.0", "Spark")),
                new Check("hadoop", () -> Finding.ok("hadoop", "Hadoop " + VersionInfo.getVersion())),
                new Check("delta", () -> versioned("delta", io.delta.package$.MODULE$.VERSION(), "4.0", "Delta Lake")),
                new Check("rapids", Software::rapids));
    }

    static Finding java(int feature, boolean vectors, List<String> closed) {
        if (feature != JAVA) {
            return Finding.wrong(
                    "java", "Java " + feature + ", " + JAVA + " is needed; point JAVA_HOME at a JDK " + JAVA);
        }
        if (!vectors) {
            return Finding.wrong(
                    "java", "the module " + VECTORS + " is missing; start Java with --add-modules=" + VECTORS);
        }
        if (!closed.isEmpty()) {
            return Finding.wrong(
                    "java",
                    "java.base keeps " + closed
                            + " closed, which Spark reads; start with ./qlora or spark-submit, or with"
                            + " conf/jvm.flags");
        }
        return Finding.ok("java", "Java " + Runtime.version() + " with the Vector API");
    }

    private static boolean hasVectors() {
        return ModuleLayer.boot().findModule(VECTORS).isPresent();
    }

    private static List<String> closed() {
        Module base = Object.class.getModule();
        return OPENED.stream()
                .filter(name -> !base.isOpen(name, Software.class.getModule()))
                .toList();
    }

    static Finding versioned(String part, String version, String wanted, String name) {
        return version.startsWith(wanted + ".")
                ? Finding.ok(part, name + " " + version)
                : Finding.wrong(
                        part,
                        name + " " + version + ", this build is for " + wanted + "; use a cluster or jars of "
                                + wanted);
    }

    private static Finding rapids() {
        Properties found = new Properties();
        ClassLoader loader = Thread.currentThread().getContextClassLoader();
        try (InputStream in = loader.getResourceAsStream("rapids4spark-version-info.properties")) {
            if (in == null) {
                return Finding.absent(
                        "rapids", "no RAPIDS Accelerator on the class path: the data stage runs on the CPU");
            }
            found.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Finding.ok("rapids", "RAPIDS Accelerator " + found.getProperty("version", "of unknown version"));
    }
}
