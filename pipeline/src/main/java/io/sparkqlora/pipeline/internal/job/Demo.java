// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.JobConfig;
import java.nio.file.Path;
import java.util.List;

/**
 * The demo's job: the settings of the recipe that made its base.
 *
 * @param folder with base/, data/ and job.yaml
 * @param out where the tables go
 */
public record Demo(Path folder, Path out) {

    /** The job, with overrides. */
    public JobConfig job(List<String> overrides) {
        return JobConfig.builder()
                .addFile(jobFile())
                .set("model_name_or_path", folder.resolve("base").normalize().toString())
                .set("dataset", folder.resolve("data/train.jsonl").normalize().toString())
                .set("output_dir", out.toString())
                .addOptions(overrides)
                .build();
    }

    /** The job file. */
    public Path jobFile() {
        return folder.resolve("job.yaml").normalize();
    }

    /** Rows that the job never sees. */
    public Path heldout() {
        return folder.resolve("data/heldout.jsonl");
    }

    /** Where the exported adapter goes. */
    public Path adapterFolder() {
        return out.resolve("adapter");
    }
}
