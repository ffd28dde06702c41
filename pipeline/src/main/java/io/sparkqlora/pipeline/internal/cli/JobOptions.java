// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.RunKeys;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** The options that give a job. */
final class JobOptions {

    @Option(
            names = {"-c", "--config"},
            paramLabel = "JOB.yaml",
            description = "The job file.")
    Path job;

    @Option(
            names = {"-s", "--set"},
            paramLabel = "KEY=VALUE",
            description = "Sets a key, whatever the job file says. Repeatable.")
    List<String> set = new ArrayList<>();

    /** File and options together. */
    JobConfig config() {
        return builder().build();
    }

    /** The same for a command that needs neither data nor tables: a job without them will do. */
    JobConfig configOfModel() {
        return builder(false, false).build();
    }

    /** The same for a command that may need neither data nor tables: what it doesn't need may be left out. */
    JobConfigBuilder builder(boolean data, boolean tables) {
        JobConfigBuilder builder = JobConfig.builder();
        if (!data) {
            builder.set(DataKeys.DATASET, "none");
        }
        if (!tables) {
            builder.set(RunKeys.OUTPUT_DIR, "none");
        }
        return addTo(builder);
    }

    JobConfigBuilder builder() {
        return addTo(JobConfig.builder());
    }

    private JobConfigBuilder addTo(JobConfigBuilder builder) {
        if (job != null) {
            builder.addFile(job);
        }
        return builder.addOptions(set);
    }
}
