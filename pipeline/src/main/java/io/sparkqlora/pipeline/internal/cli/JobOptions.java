// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.ConfigKey;
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
        return without(DataKeys.DATASET, RunKeys.OUTPUT_DIR).build();
    }

    /** The same for a command that doesn't need some keys, which may be left out. */
    @SafeVarargs
    final JobConfigBuilder without(ConfigKey<String>... unused) {
        JobConfigBuilder builder = JobConfig.builder();
        for (ConfigKey<String> key : unused) {
            builder.set(key, "none");
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
