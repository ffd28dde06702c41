// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.apache.spark.SparkEnv;

/** Where copies go on this machine, and where settings of its processes come from. */
final class CacheFolders {

    /** With which Spark's settings of executors' variables begin. */
    static final String EXECUTOR = "spark.executorEnv.";

    private CacheFolders() {}

    /** The user's folder for what can be fetched again. */
    static Path ofUser(UnaryOperator<String> environment) {
        String set = environment.apply("XDG_CACHE_HOME");
        return set == null ? Path.of(System.getProperty("user.home"), ".cache") : Path.of(set);
    }

    /**
     * Copies of checkpoints of Hadoop filesystems.
     *
     * @param cacheDir the job's, or null
     */
    static Path ofStores(String cacheDir, UnaryOperator<String> environment) {
        return (cacheDir == null ? ofUser(environment) : Path.of(cacheDir)).resolve("spark-qlora");
    }

    /**
     * A variable of this process, or else what Spark gives its executors under this name ({@code spark.executorEnv.*}), which a local
     * master does not; null for none.
     */
    static String variable(String name) {
        String own = System.getenv(name);
        if (own != null && !own.isEmpty()) {
            return own;
        }
        SparkEnv spark = SparkEnv.get();
        String given = spark == null ? "" : spark.conf().get(EXECUTOR + name, "");
        return given.isEmpty() ? null : given;
    }
}
