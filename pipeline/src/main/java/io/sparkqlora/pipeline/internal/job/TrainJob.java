// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.cluster.ClusterPreflight;
import io.sparkqlora.pipeline.internal.cluster.Rapids;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.data.DataPart;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.groups.GroupChecks;
import io.sparkqlora.pipeline.internal.groups.GroupedTraining;
import io.sparkqlora.pipeline.internal.report.Reports;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.RunDevice;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.pipeline.internal.run.RunDriver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.tokenize.SourceRows;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/** Tokenises, if need be, and trains. */
public final class TrainJob {

    private TrainJob() {}

    /** The data of a job, in token_shards. Needs no device, and of the checkpoint the tokenizer alone. */
    public static TokenData tokenize(Workspace given) {
        Workspace work = given.withConfig(BaseFolder.pinned(given.config()));
        JobInputs.checkTokenizer(work.config());
        ClusterPreflight.checkTasks(work.spark().sparkContext());
        GroupChecks.check(work.config());
        PreferenceChecks.check(work.config());
        return TokenDatasets.prepare(work, DataPart.TRAINING, longest -> {});
    }

    /** A job's run, to its end. */
    public static RunRecord train(Workspace given) {
        DataPart.check(given.config());
        return train(
                given,
                () -> DataPart.TRAINING
                        .read(given.spark(), given.config())
                        .lineage()
                        .version(),
                TokenDatasets::prepare);
    }

    /** As {@link #train(Workspace)}, on rows that are at hand. */
    public static RunRecord train(Workspace given, SourceRows rows) {
        return train(
                given,
                () -> rows.lineage().version(),
                (work, part, check) -> TokenDatasets.prepare(work, part, rows, check));
    }

    /** Sees to it that a part of a job's rows is in token_shards. */
    private interface Preparing {

        TokenData prepare(Workspace work, DataPart part, IntConsumer check);
    }

    private static RunRecord train(Workspace named, Supplier<String> version, Preparing rows) {
        PreferenceChecks.check(named.config());
        GroupChecks.check(named.config());
        EvalChecks.check(named.config());
        Reports.check(named.config());
        Workspace asked = RunBase.pinned(named, version);
        BaseModel base = JobInputs.check(asked.config());
        Workspace settled = asked.withConfig(FirstAdapter.settle(asked.config(), base.config()));
        GroupChecks.check(settled.config()); // an adapter's options are the job's
        return train(
                settled,
                BaseFolder.isRemote(named.config())
                        ? base.named(named.config().get(ModelKeys.MODEL_NAME_OR_PATH))
                        : base,
                rows);
    }

    private static RunRecord train(Workspace given, BaseModel base, Preparing rows) {
        boolean grouped = given.config().has(GroupKeys.GROUP_BY);
        ClusterPreflight.check(given.spark().sparkContext(), base, given.config());
        RunDevice device = RunDevices.find(given.spark(), given.config());
        if (device.backend().equals(RunDevices.CUDA)) {
            ClusterPreflight.checkGpus(given.spark().sparkContext(), given.config());
        }
        // the run is one of this backend, so that auto never goes on with it on another, and of the base's own format
        Workspace work = given.withStoredFormat(base.config()).withBackend(device.backend());
        JobConfig config = work.config();
        // the shortest rows that there can be; the exact need is known with the data
        requireMemory(work, base, device, 1);
        TokenData data = rows.prepare(work, DataPart.TRAINING, longest -> requireMemory(work, base, device, longest));
        TokenData heldOut = EvalChecks.wanted(config)
                ? rows.prepare(work, DataPart.EVALUATION, longest -> requireMemory(work, base, device, longest))
                : null;
        RunDriver driver = new RunDriver(work.tables(), config, work.observer());
        return grouped
                ? driver.train(base, data, device, groups(work, data, heldOut))
                : driver.train(base, data, heldOut, device);
    }

    private static GroupedTraining groups(Workspace work, TokenData data, TokenData heldOut) {
        return new GroupedTraining(
                work.tables(),
                work.config(),
                data,
                heldOut,
                work.observer(),
                () -> ClusterPreflight.devices(
                        work.spark().sparkContext(), work.config().get(ModelKeys.BACKEND)));
    }

    /** On the device, and there beside what RAPIDS has taken, unless the job itself is what allows less. */
    private static void requireMemory(Workspace work, BaseModel base, RunDevice device, int longestRow) {
        if (device.backend().equals(RunDevices.CUDA) && !work.config().has(ModelKeys.MAX_MEMORY)) {
            long need =
                    JobInputs.memory(work.config(), base, device, longestRow).total();
            Rapids.requireRoom(work.spark().sparkContext().getConf(), device.name(), need, device.availableBytes());
        }
        JobInputs.requireMemory(work.config(), base, device, longestRow);
    }
}
