// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.cluster.TrainingProfile;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.TokenData;
import io.sparkqlora.pipeline.internal.observe.JobGroup;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.EvalPlan;
import io.sparkqlora.pipeline.internal.run.Interruption;
import io.sparkqlora.pipeline.internal.run.RunEnding;
import io.sparkqlora.pipeline.internal.run.RunObserver;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.run.Training;
import io.sparkqlora.pipeline.internal.tables.JobTables;
import io.sparkqlora.tokenize.TokenGroup;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.IntSupplier;
import java.util.stream.Collectors;

/**
 * The driver of a run of groups: wave after wave, until each group has an adapter or a reason. A wave's metrics and adapters are
 * written first, then the table of groups, which is what counts.
 */
public final class GroupedTraining implements Training, RunEnding.Body {

    private final JobTables tables;
    private final JobConfig config;
    private final TokenData data;
    private final TokenData heldOut;
    private final RunObserver observer;
    private final IntSupplier devices;
    private RunRecord record;

    /**
     * @param heldOut what groups are measured on meanwhile, each on rows of its own; null: they are not
     * @param devices how many tasks can run at once, each on a device of its own
     */
    public GroupedTraining(
            JobTables tables,
            JobConfig config,
            TokenData data,
            TokenData heldOut,
            RunObserver observer,
            IntSupplier devices) {
        this.tables = tables;
        this.config = config;
        this.data = data;
        this.heldOut = heldOut;
        this.observer = observer;
        this.devices = devices;
    }

    @Override
    public Optional<TokenData> heldOut() {
        return Optional.ofNullable(heldOut);
    }

    @Override
    public long totalSteps() {
        return GroupStates.totalSteps(config, data.groups());
    }

    @Override
    public RunRecord execute(RunRecord started) {
        record = started;
        return RunEnding.execute(tables, this);
    }

    @Override
    public RunRecord now() {
        return record;
    }

    @Override
    public RunRecord train() {
        String runId = record.inputs().runId();
        GroupStates states = GroupStates.load(tables, runId, config, data.groups(), heldOutByKey());
        record = record.at(states.stepsDone());
        record.save(tables);
        observer.onStart(record.inputs(), record.lastStep());
        tellUnmeasured(states);
        GroupCounter counter = new GroupCounter(observer, states.count());
        counter.committed(states.count(GroupState.DONE), states.count(GroupState.FAILED));
        try (GroupChannel channel = GroupChannel.open(tables.spark().sparkContext(), runId, counter)) {
            waves(states, channel, counter);
        }
        int failed = states.count(GroupState.FAILED);
        return failed == 0
                ? record.ended(RunRecord.FINISHED, null)
                : record.ended(
                        RunRecord.PARTIAL,
                        failed + " of " + states.count() + " groups failed, for example " + states.example());
    }

    private Map<String, TokenGroup> heldOutByKey() {
        return heldOut == null
                ? Map.of()
                : heldOut.groups().stream().collect(Collectors.toMap(TokenGroup::key, Function.identity()));
    }

    private void tellUnmeasured(GroupStates states) {
        List<String> unmeasured = states.unmeasured();
        if (heldOut != null && !unmeasured.isEmpty()) {
            observer.onMessage(unmeasured.size() + " of " + states.count()
                    + " groups have no row that is held out and are trained without evaluations, for example '"
                    + unmeasured.get(0) + "'");
        }
    }

    private void waves(GroupStates states, GroupChannel channel, GroupCounter counter) {
        int rowsPerStep = EngineSettings.arguments(config).rowsPerStep();
        TrainingProfile profile = TrainingProfile.of(tables.spark().sparkContext(), config.get(ModelKeys.BACKEND));
        WaveJob job = new WaveJob(tables, spec(), profile);
        // a wave that was interrupted is done again with the groups that it had
        List<GroupWork> groups = states.of(GroupState.RUNNING);
        if (groups.isEmpty()) {
            groups = next(states, rowsPerStep);
            if (!groups.isEmpty() || states.lastWave() < 0) {
                states.begin(groups);
            }
        }
        while (!groups.isEmpty()) {
            if (Interruption.requested()) {
                throw PipelineErrors.runInterrupted(record.inputs().runId(), record.lastStep());
            }
            Wave wave = Wave.of(states.lastWave(), groups, devices.getAsInt(), rowsPerStep);
            boolean last = states.of(GroupState.WAITING).isEmpty();
            groups = commit(run(job, wave, last, channel), wave, states, rowsPerStep);
            counter.committed(states.count(GroupState.DONE), states.count(GroupState.FAILED));
        }
    }

    private List<GroupWork> next(GroupStates states, int rowsPerStep) {
        int atOnce = devices.getAsInt() * config.get(GroupKeys.GROUPS_PER_DEVICE);
        return Wave.next(states.of(GroupState.WAITING), atOnce, config.get(RunKeys.SAVE_STEPS), rowsPerStep);
    }

    private WaveResult run(WaveJob job, Wave wave, boolean last, GroupChannel channel) {
        String name = "run " + record.inputs().runId() + " wave " + wave.number();
        String title = name + ": " + wave.groups().size() + " groups";
        try (JobGroup named = JobGroup.open(tables.spark().sparkContext(), name, title)) {
            Objects.requireNonNull(named);
            return job.run(wave, last, channel);
        }
    }

    /** Commits a wave; gives the groups of the next one. */
    private List<GroupWork> commit(WaveResult result, Wave wave, GroupStates states, int rowsPerStep) {
        boolean whole = result.failure().isEmpty();
        if (!whole || result.someFailed()) {
            states.shrink(wave.number(), result.ends());
        }
        result.commit();
        states.end(result.ends());
        List<GroupWork> next = whole ? next(states, rowsPerStep) : List.of();
        states.commitEnd(wave.number(), next);
        record = record.at(states.stepsDone());
        record.save(tables);
        observer.onCommit(record.lastStep());
        result.failure().ifPresent(failure -> {
            throw failure;
        });
        return next;
    }

    private GroupRunSpec spec() {
        int slots = config.get(GroupKeys.GROUPS_PER_DEVICE);
        int rows = config.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE);
        int longest = heldOut == null ? data.maxNumTokens() : Math.max(data.maxNumTokens(), heldOut.maxNumTokens());
        int maxTokens = Math.multiplyExact(Math.multiplyExact(rows, slots), longest);
        return new GroupRunSpec(
                record.inputs().runId(),
                ConfigJson.write(config),
                record.inputs().fingerprint(),
                record.inputs().datasetId(),
                maxTokens,
                slots,
                record.inputs().adapterHash(),
                EvalPlan.of(config, heldOut));
    }
}
