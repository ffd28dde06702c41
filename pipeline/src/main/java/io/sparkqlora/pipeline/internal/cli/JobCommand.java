// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import java.util.Map;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine.Mixin;

/** A command that takes a job and runs in a Spark session. */
abstract class JobCommand extends QLoraCommand {

    @Mixin
    JobOptions options;

    JobCommand(Console console) {
        super(console);
    }

    /** Does the work in a session. */
    abstract Map<String, Object> execute(SparkSession spark, JobConfig config);

    /** The job that its options give. */
    JobConfig config() {
        return options.config();
    }

    @Override
    final Map<String, Object> execute() {
        JobConfig config = config();
        try (LocalSession session = LocalSession.open(BaseFolder.executorSettings(config, System.getenv()))) {
            return execute(session.spark(), config);
        }
    }
}
