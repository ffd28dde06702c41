// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.generate.InferenceModel;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.Recordings;
import io.sparkqlora.train.internal.step.GradientExchange;
import io.sparkqlora.train.internal.step.LayerGathers;
import io.sparkqlora.train.internal.step.LoadedSession;
import io.sparkqlora.train.internal.step.RingThread;
import io.sparkqlora.train.internal.step.SessionBuffers;
import io.sparkqlora.train.internal.step.SessionPlan;
import io.sparkqlora.train.internal.step.SessionSpec;
import io.sparkqlora.train.internal.step.TrainStep;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;

/** One adapter on one device: the base held in its memory, the adapter, its optimizer, and the step. Not thread-safe. */
public final class TrainingSession implements AutoCloseable {

    private final Device device;
    private final SessionSpec spec;
    private final LoadedSession loaded;
    private final TrainStep trainStep;
    private long stepsDone;

    private TrainingSession(Device device, SessionSpec spec, LoadedSession loaded, TrainStep trainStep) {
        this.device = device;
        this.spec = spec;
        this.loaded = loaded;
        this.trainStep = trainStep;
    }

    /**
     * Loads and quantises the base, makes a fresh adapter as a function of {@code arguments.seed()} alone, and plans and
     * allocates every buffer that a step needs.
     *
     * @param maxTokensPerMicroBatch the most tokens that a micro-batch will have
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing, INPUT if a weight is missing or
     *     misshapen, RESOURCES if the memory does not suffice
     */
    public static TrainingSession open(
            Device device,
            ModelConfig model,
            WeightSource weights,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokensPerMicroBatch) {
        return open(device, model, weights, quantization, lora, arguments, maxTokensPerMicroBatch, 0);
    }

    /**
     * As {@link #open(Device, ModelConfig, WeightSource, QuantizationConfig, LoraConfig, TrainingArguments, int)} with one part
     * of the base, where {@code arguments.shardBase()} says so. The ranks that take a step together must have all parts
     * between them; which rank has which makes no difference.
     *
     * @param part from 0 to {@code arguments.shards() - 1}
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if this base can't be sharded on this device
     */
    public static TrainingSession open(
            Device device,
            ModelConfig model,
            WeightSource weights,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokensPerMicroBatch,
            int part) {
        Objects.checkIndex(part, arguments.shards());
        requireGroup(device, arguments);
        SessionSpec spec =
                SessionSpec.of(device.traits(), model, quantization, lora, arguments, maxTokensPerMicroBatch, 1);
        SessionPlan plan = SessionPlan.of(spec);
        MemoryPlan.requireFits(spec, plan, arguments.numProcesses(), device);
        LoadedSession loaded = LoadedSession.load(device, spec, plan, weights, part);
        try {
            SessionBuffers buffers = loaded.buffers();
            buffers.slot()
                    .initialize(
                            loaded.pass(), buffers.model(), lora.initLoraWeights(), loaded.start(), arguments.seed());
            return new TrainingSession(device, spec, loaded, step(device, spec, loaded, arguments, part));
        } catch (RuntimeException | Error e) {
            loaded.arenas().close();
            throw e;
        }
    }

    /** Known before gigabytes are read. */
    private static void requireGroup(Device device, TrainingArguments arguments) {
        if (arguments.shardBase()
                && device.traits().ownsMemory()
                && device.groups().isEmpty()) {
            throw CollectiveErrors.shardNeedsGroup(device.name());
        }
    }

    private static TrainStep step(
            Device device, SessionSpec spec, LoadedSession loaded, TrainingArguments arguments, int part) {
        SessionBuffers session = loaded.buffers();
        RingThread thread = new RingThread();
        GradientExchange exchange = GradientExchange.of(device, spec, session, thread);
        int lowest = session.slot().views().lowestLayer();
        LayerGathers gathers =
                spec.shards() == 1 ? null : LayerGathers.of(device, session.model(), lowest, part, thread, exchange);
        return new TrainStep(
                spec,
                session,
                loaded.pass(),
                loaded.pages(),
                arguments,
                new Recordings(device),
                exchange,
                gathers,
                thread);
    }

    /**
     * One optimizer step: forward and backward of every micro-batch, gradients normalised by the counted tokens of all of
     * them, clipping, AdamW.
     *
     * @throws io.sparkqlora.kernels.QLoraException DIVERGED on a loss or norm that is not finite: parameters, optimizer and step
     *     are as before the call; INPUT if no token counts or one is outside the vocabulary; CONFIG if a micro-batch is too
     *     long or {@code max_steps} is not set
     */
    public StepMetrics step(List<List<PackedRow>> microBatches) {
        return step(microBatches, Collective.solo());
    }

    /**
     * One optimizer step that several ranks take together, each with its own session and its own micro-batches: number {@code
     * i} of rank {@code r} is number {@code i·N + r} of the step. Losses and gradients are those of all ranks, so the adapters
     * stay the same, bit for bit; nothing in a session depends on the rank. A failure of one rank fails all.
     *
     * @param microBatches of this rank; a step may have none for it
     * @param collective of as many ranks as {@code arguments.numProcesses()}
     * @throws io.sparkqlora.kernels.QLoraException as {@link #step(List)}, about all ranks; RANK_LOST if one is gone:
     *     parameters, optimizer and step are as before the call
     */
    public StepMetrics step(List<List<PackedRow>> microBatches, Collective collective) {
        StepMetrics metrics = together(collective, () -> trainStep.run(stepsDone, microBatches, collective));
        stepsDone = metrics.step();
        return metrics;
    }

    /** Something that all ranks do; if it fails for one, it does for all. */
    private <T> T together(Collective collective, Supplier<T> work) {
        int ranks = trainStep.arguments().numProcesses();
        if (collective.worldSize() != ranks) {
            throw CollectiveErrors.otherWorldSize(ranks, collective.worldSize());
        }
        try {
            return work.get();
        } catch (RuntimeException | Error e) {
            collective.abort(e);
            trainStep.leave();
            throw e;
        }
    }

    /**
     * Compares this session with those of the other ranks, by a hash of everything in {@link #state()}.
     *
     * @throws io.sparkqlora.kernels.QLoraException DEVICE if they are not the same
     */
    public void requireSameOnAllRanks(Collective collective) {
        if (collective.worldSize() == 1) {
            return;
        }
        String[] all = collective.allGather(state().sha256());
        for (int rank = 1; rank < all.length; rank++) {
            if (!all[rank].equals(all[0])) {
                throw CollectiveErrors.ranksDiffer(0, all[0], rank, all[rank], stepsDone);
            }
        }
    }

    /**
     * The loss over rows, dropout off; rows are batched as the session's token limit allows.
     *
     * @param withAdapter false for the base alone; where the adapter began with a part of the base, with that
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if this session has only a part of the base
     */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter) {
        requireWholeBase("evaluation");
        return withAdapter || !spec.lora().initLoraWeights().changesBase()
                ? trainStep.evaluate(rows, withAdapter)
                : buffers()
                        .slot()
                        .asItBegan(pass(), buffers().model(), loaded.start(), () -> trainStep.evaluate(rows, true));
    }

    /**
     * As {@link #evaluate(List, boolean)} over the rows of all ranks, each of which calls it with its own, or with none. With a part of
     * the base each takes part in the others' passes. One rank's losses are those of a session with the whole base, bit for bit; those
     * of several are added in the order of the ranks.
     *
     * @return of all ranks' rows, on each rank
     * @throws io.sparkqlora.kernels.QLoraException as {@link #step(List, Collective)}
     */
    public LossSum evaluate(List<PackedRow> rows, boolean withAdapter, Collective collective) {
        return together(collective, () -> trainStep.evaluate(rows, withAdapter, collective));
    }

    /**
     * What pairs come to with the adapter, dropout off; rows are batched as the session's token limit allows.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if this session was not opened for pairs, or has only a part of the
     *     base; INPUT if a row is no pairs
     */
    public PreferenceSum evaluatePairs(List<PackedRow> rows) {
        requireWholeBase("evaluation");
        if (spec.preference() == null) {
            throw PreferenceErrors.noPreference();
        }
        return trainStep.evaluatePairs(rows);
    }

    /** Whether rows are pairs, of which one is preferred. */
    public boolean learnsFromPairs() {
        return spec.preference() != null;
    }

    /** How the base was loaded. */
    public BaseLoading loading() {
        return loaded.loading();
    }

    /** Optimizer steps done. */
    public long stepsDone() {
        return stepsDone;
    }

    /** A copy of what a run needs to go on. */
    public TrainingState state() {
        return buffers().slot().state(device, stepsDone);
    }

    /**
     * Goes on where {@code state} was taken.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors are not those of this adapter and its optimizer
     */
    public void restore(TrainingState state) {
        buffers().slot().restore(pass(), buffers().model(), state);
        stepsDone = state.step();
    }

    /** A copy of the adapter; its base has no name yet. */
    public Adapter adapter() {
        return buffers().slot().adapter(device, spec);
    }

    /**
     * Replaces the adapter's parameters; the optimizer's moments and the step go back to zero.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors or its scaling are not those of this session's adapter
     */
    public void loadAdapter(Adapter adapter) {
        buffers().slot().load(pass(), buffers().model(), spec, adapter);
        stepsDone = 0;
    }

    private void requireWholeBase(String what) {
        if (spec.shards() > 1) {
            throw CollectiveErrors.wholeBaseNeeded(what, spec.shards());
        }
    }

    /**
     * Continues prompts with this base and adapter, as they are at each call.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if this session has only a part of the base
     */
    public Generator generator() {
        requireWholeBase("generation");
        return Generator.of(this);
    }

    /** How to have the adapter be what the base lacks; null where the base is a checkpoint of its own. */
    InferenceModel.AsItBegan asItBegan() {
        if (!spec.lora().initLoraWeights().changesBase()) {
            return null;
        }
        return what -> buffers().slot().asItBegan(pass(), buffers().model(), loaded.start(), what);
    }

    /** The device that everything is on. */
    Device device() {
        return device;
    }

    /** What the session holds: the base, the adapter's views, rotary tables. */
    SessionBuffers buffers() {
        return loaded.buffers();
    }

    /** How it is trained. */
    TrainingArguments arguments() {
        return trainStep.arguments();
    }

    /** Shapes and settings. */
    SessionSpec spec() {
        return spec;
    }

    /** The pass of steps and evaluations; its arena is empty between them. */
    Pass pass() {
        return trainStep.pass();
    }

    /** Frees the device memory; the device stays open. */
    @Override
    public void close() {
        try {
            trainStep.close();
        } finally {
            loaded.arenas().close();
        }
    }
}
