// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import org.apache.spark.sql.SparkSession;
import scala.Option;

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

    /** No more from Spark, unless it logs as spark-submit has it: what it says while it goes down is not news. */
    static void silence() {
        Option<SparkSession> session = SparkSession.getDefaultSession();
        if (session.isDefined() && System.getProperty("spark.master") == null) {
            session.get().sparkContext().setLogLevel("OFF");
        }
    }
}
