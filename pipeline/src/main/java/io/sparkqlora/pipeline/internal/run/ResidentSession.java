// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.observe.ExecutorNumbers;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.StepMetrics;
import io.sparkqlora.train.TrainingSession;
import io.sparkqlora.train.TrainingState;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A run's base and adapter in the memory of an executor's device, with what else the run carries from step to step. */
final class ResidentSession implements AutoCloseable {

    private final RunSpec run;
    private final int part;
    private final boolean sharded;
    private final Device device;
    private final Checkpoint checkpoint;
    private final TrainingSession session;
    private final LogWindow window;
    private long step;

    private ResidentSession(RunSpec run, int part, JobConfig config, Device device, Checkpoint checkpoint) {
        this.run = run;
        this.part = part;
        this.sharded = config.get(ExecutorKeys.SHARD_BASE);
        this.device = device;
        this.checkpoint = checkpoint;
        this.window =
                new LogWindow(config.get(RunKeys.LOGGING_STEPS), run.plan().totalSteps());
        this.session = TrainingSession.open(
                device,
                checkpoint.config(),
                checkpoint.weights(),
                EngineSettings.quantization(config, checkpoint.config()),
                EngineSettings.lora(config),
                EngineSettings.arguments(config)
                        .withMaxSteps(Math.toIntExact(run.plan().totalSteps())),
                run.maxTokens(),
                part);
    }

    /**
     * Opens a run's session at step 0.
     *
     * @param part of the base that it holds, where that is sharded; else 0
     */
    static ResidentSession open(RunSpec run, int part) {
        JobConfig config = ConfigJson.read(run.configJson());
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            Checkpoint checkpoint = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
            opened.add(checkpoint);
            BaseModel.requireSame(checkpoint, run.fingerprint());
            Device device = RunDevices.open(config);
            opened.add(device);
            return new ResidentSession(run, part, config, device, checkpoint);
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, opened);
        }
    }

    /** Begins with the run's first adapter, where it does not begin with a fresh one. */
    void begin() {
        FirstAdapter.read(ConfigJson.read(run.configJson()), run.adapterHash()).ifPresent(session::loadAdapter);
    }

    RunSpec run() {
        return run;
    }

    /** The part of a sharded base that it holds; 0 where it holds all of it. */
    int part() {
        return part;
    }

    /** Steps done. */
    long step() {
        return step;
    }

    /** Goes on from a committed state. */
    void restore(long committedStep, List<NamedTensor> tensors) {
        List<NamedTensor> engine = new ArrayList<>();
        for (NamedTensor tensor : tensors) {
            if (tensor.name().equals(LogWindow.NAME)) {
                window.restore(tensor);
            } else {
                engine.add(tensor);
            }
        }
        session.restore(new TrainingState(committedStep, engine));
        step = committedStep;
    }

    /** One optimizer step, of all ranks together; on a failure everything is as before. */
    StepMetrics train(List<List<PackedRow>> microBatches, Collective collective) {
        StepMetrics metrics = session.step(microBatches, collective);
        step = metrics.step();
        ExecutorNumbers.step(metrics, device.peakBytes());
        return metrics;
    }

    /**
     * What was measured with that of the adapter as it is over more rows; nothing of the run changes.
     *
     * @param collective of all ranks where the base is in parts, which call this together; else of this one alone
     */
    Measured evaluate(Measured before, List<PackedRow> rows, Collective collective) {
        return sharded ? before.with(session, rows, collective) : before.with(session, rows);
    }

    /** Whether it has a part of the base. */
    boolean sharded() {
        return sharded;
    }

    /** Compares parameters and moments with those of the other ranks. */
    void requireSameOnAllRanks(Collective collective) {
        session.requireSameOnAllRanks(collective);
    }

    /** Counts a step for the log; gives the row of a logged one. */
    Optional<StepMetrics> log(StepMetrics metrics) {
        return window.add(metrics);
    }

    /** Everything that {@link #restore} takes. */
    List<NamedTensor> state() {
        List<NamedTensor> tensors = new ArrayList<>(session.state().tensors());
        tensors.add(window.state());
        return tensors;
    }

    Adapter adapter() {
        return session.adapter();
    }

    long peakBytes() {
        return device.peakBytes();
    }

    @Override
    public void close() {
        ExecutorNumbers.clear();
        Closing.all(List.of(checkpoint, device, session));
    }
}
