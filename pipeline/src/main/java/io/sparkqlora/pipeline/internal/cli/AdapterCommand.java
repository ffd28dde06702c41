// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.AdapterErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.train.AdapterFiles;
import java.nio.file.Path;
import picocli.CommandLine.Mixin;

/** A command that works on an adapter, of a run or in a folder. */
abstract class AdapterCommand extends JobCommand {

    @Mixin
    AdapterOptions adapter;

    AdapterCommand(Console console) {
        super(console);
    }

    /** Of an adapter in a folder: the job as far as it is given; keys that the command doesn't need may be left out. */
    abstract JobConfigBuilder jobOfFolder();

    @Override
    final JobConfig config() {
        adapter.check();
        return adapter.isFolder() ? configOfFolder() : super.config();
    }

    private JobConfig configOfFolder() {
        Path folder = FirstAdapter.folder("--adapter", adapter.folder);
        String named = AdapterFiles.readBase(folder);
        JobConfigBuilder job = jobOfFolder();
        if (!job.isSet(ModelKeys.MODEL_NAME_OR_PATH)) {
            if (named == null) {
                throw AdapterErrors.noBase(folder);
            }
            String base = BaseFolder.ofAdapter(named);
            console.err().println("base " + base + " (the adapter's base_model_name_or_path)");
            job.set(ModelKeys.MODEL_NAME_OR_PATH, base);
        }
        return job.build();
    }
}
