// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

/** Keeps Spark's information messages off the console, unless a logging configuration was given or spark-submit runs. */
final class QuietLogging {

    private static final String CONFIGURATION = "log4j2.configurationFile";

    private QuietLogging() {}

    static void configure() {
        boolean configured = System.getProperty(CONFIGURATION) != null
                || System.getProperty("log4j.configurationFile") != null
                || System.getProperty("spark.master") != null;
        if (!configured) {
            System.setProperty(CONFIGURATION, "classpath:io/sparkqlora/pipeline/log4j2.properties");
        }
    }
}
