// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
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

    JobConfigBuilder builder() {
        JobConfigBuilder builder = JobConfig.builder();
        if (job != null) {
            builder.addFile(job);
        }
        return builder.addOptions(set);
    }
}
