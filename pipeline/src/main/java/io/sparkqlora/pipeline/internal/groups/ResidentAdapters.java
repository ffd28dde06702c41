// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.groups;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.base.BaseFolder;
import io.sparkqlora.pipeline.internal.base.BasePart;
import io.sparkqlora.pipeline.internal.config.ConfigJson;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import io.sparkqlora.pipeline.internal.observe.ExecutorNumbers;
import io.sparkqlora.pipeline.internal.run.Closing;
import io.sparkqlora.pipeline.internal.run.EngineSettings;
import io.sparkqlora.pipeline.internal.run.FirstAdapter;
import io.sparkqlora.pipeline.internal.run.ResidentSessions;
import io.sparkqlora.pipeline.internal.run.RunDevices;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Checkpoint;
import io.sparkqlora.train.MultiAdapterSession;
import io.sparkqlora.train.TrainingArguments;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A run's base in the memory of an executor's device, with room for the adapters of some groups. Stays between waves. */
final class ResidentAdapters implements AutoCloseable {

    private final GroupRunSpec run;
    private final Checkpoint checkpoint;
    private final Device device;
    private final MultiAdapterSession session;
    private final Optional<Adapter> first;

    private ResidentAdapters(GroupRunSpec run, JobConfig config, Checkpoint checkpoint, Device device) {
        this.run = run;
        this.checkpoint = checkpoint;
        this.device = device;
        this.first = FirstAdapter.read(config, run.adapterHash());
        this.session = MultiAdapterSession.open(
                device,
                checkpoint.config(),
                checkpoint.weights(),
                EngineSettings.quantization(config, checkpoint.config()),
                EngineSettings.lora(config),
                EngineSettings.arguments(config),
                run.maxTokens(),
                run.slots());
    }

    /** The run's base: the one that is here, or else loaded. */
    static ResidentAdapters acquire(GroupRunSpec run) {
        ResidentAdapters idle = ResidentSessions.takeOut(ResidentAdapters.class, each -> each.run.equals(run));
        return idle == null ? open(run) : idle;
    }

    private static ResidentAdapters open(GroupRunSpec run) {
        JobConfig config = ConfigJson.read(run.configJson());
        List<AutoCloseable> opened = new ArrayList<>();
        try {
            Checkpoint checkpoint = Checkpoint.open(BaseFolder.of(config, BasePart.ALL));
            opened.add(checkpoint);
            BaseModel.requireSame(checkpoint, run.fingerprint());
            Device device = RunDevices.open(config);
            opened.add(device);
            return new ResidentAdapters(run, config, checkpoint, device);
        } catch (RuntimeException e) {
            throw Closing.afterFailure(e, opened);
        }
    }

    /** Gives a slot a new adapter: a fresh one, or the one that the run's groups start from. */
    void start(int slot, TrainingArguments arguments) {
        session.start(slot, arguments);
        first.ifPresent(adapter -> session.loadAdapter(slot, adapter));
    }

    MultiAdapterSession session() {
        return session;
    }

    /** Most device memory so far. */
    long peakBytes() {
        return device.peakBytes();
    }

    @Override
    public void close() {
        ExecutorNumbers.clear();
        Closing.all(List.of(checkpoint, device, session));
    }
}
