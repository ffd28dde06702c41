// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.StoredFormat;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterFiles;
import io.sparkqlora.train.AdapterFit;
import java.nio.file.Path;

/** An adapter in a folder, as PEFT, {@code export} or {@code combine} write it, without a run. */
public final class FolderChoice {

    private FolderChoice() {}

    /**
     * The adapter in a folder, on the base that the job names, held as the job says. What the job says of an adapter is about what it
     * trains, and gives way to the folder's options, as it does to a run's.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if files are missing or damaged, or the adapter doesn't fit the base; CONFIG
     *     if the job says something else of a quantised base than it is
     */
    public static AdapterChoice of(JobConfig job, String name) {
        Path folder = FirstAdapter.folder("--adapter", name);
        Adapter adapter = AdapterFiles.read(folder);
        JobConfigBuilder alone = RunChoice.alone(job.toBuilder());
        AdapterKeys.ALL.forEach(key -> alone.set(key.name(), null));
        JobConfig pinned = BaseFolder.pinned(BaseFolder.pinnedAs(adapter.baseModelNameOrPath(), alone.build()));
        BaseModel base = BaseModel.open(BaseFolder.of(pinned, BasePart.ALL));
        AdapterFit.require(adapter, base.config());
        JobConfig settled = FirstAdapter.settle(pinned, base.config(), folder, adapter.config());
        return new AdapterChoice(AdapterSource.of(folder), StoredFormat.of(settled, base.config()), adapter);
    }
}
