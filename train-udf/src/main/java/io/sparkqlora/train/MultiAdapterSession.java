// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.internal.model.Recordings;
import io.sparkqlora.train.internal.step.AdapterSlot;
import io.sparkqlora.train.internal.step.LoadedSession;
import io.sparkqlora.train.internal.step.MixedStep;
import io.sparkqlora.train.internal.step.SessionBuffers;
import io.sparkqlora.train.internal.step.SessionPlan;
import io.sparkqlora.train.internal.step.SessionSpec;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Several adapters of one shape over one base that is held once, on one device. Their rows share micro-batches, so that the
 * base's work is done once for all; each is trained as {@link TrainingSession} trains it alone, to rounding. An adapter lives
 * in a slot, which another one may have after it. Not thread-safe.
 */
public final class MultiAdapterSession implements AutoCloseable {

    /** An adapter that was started. */
    private record Started(TrainingArguments arguments, long stepsDone) {}

    private final Device device;
    private final SessionSpec spec;
    private final LoadedSession loaded;
    private final MixedStep step;
    private final Started[] started;

    private MultiAdapterSession(Device device, SessionSpec spec, LoadedSession loaded) {
        this.device = device;
        this.spec = spec;
        this.loaded = loaded;
        this.step = new MixedStep(spec, loaded.buffers(), loaded.pass(), loaded.pages(), new Recordings(device));
        this.started = new Started[spec.slots()];
    }

    /**
     * Loads and quantises the base, and plans and allocates every buffer that steps of so many adapters need.
     *
     * @param arguments whose {@code optim} and {@code recompute} are those of all adapters
     * @param maxTokensPerMicroBatch the most tokens that go through the model at once, of whichever adapters
     * @param slots adapters at once, at least 1
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the target modules match nothing, modules are to be trained whole, or there are several
     *     ranks, INPUT if a weight is missing or misshapen, RESOURCES if the memory does not suffice
     */
    public static MultiAdapterSession open(
            Device device,
            ModelConfig model,
            WeightSource weights,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int maxTokensPerMicroBatch,
            int slots) {
        if (slots < 1) {
            throw TrainErrors.badArgument("slots", slots, "at least 1");
        }
        requireOneRank(arguments);
        if (!lora.modulesToSave().isEmpty()) {
            throw SavedModuleErrors.severalAdapters();
        }
        if (arguments.preference() != null) {
            throw PreferenceErrors.oneAdapter(slots);
        }
        SessionSpec spec =
                SessionSpec.of(device.traits(), model, quantization, lora, arguments, maxTokensPerMicroBatch, slots);
        SessionPlan plan = SessionPlan.of(spec);
        MemoryPlan.requireFits(spec, plan, 1, device);
        return new MultiAdapterSession(device, spec, LoadedSession.load(device, spec, plan, weights, 0));
    }

    private static void requireOneRank(TrainingArguments arguments) {
        if (arguments.numProcesses() > 1) {
            throw SlotErrors.severalRanks(arguments.numProcesses());
        }
    }

    /** Adapters at once. */
    public int slots() {
        return started.length;
    }

    /** How the base was loaded. */
    public BaseLoading loading() {
        return loaded.loading();
    }

    /**
     * Begins with a fresh adapter: what {@link TrainingSession#open} would make of {@code arguments}, its optimizer and step at
     * zero. What was in the slot is gone.
     *
     * @param arguments what is the optimizer's, the schedule's and the seed's is this adapter's own
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if {@code optim} or {@code recompute} is not the session's, or there
     *     are several ranks
     */
    public void start(int slot, TrainingArguments arguments) {
        requireSlot(slot);
        requireOneRank(arguments);
        require(slot, "optim", arguments.optim(), spec.optim());
        require(slot, "recompute", spelling(arguments.recompute()), spelling(spec.recompute()));
        requireLearningRates(slot, arguments);
        started[slot] = null; // until it is whole
        AdapterSlot fresh = loaded.buffers().slots().get(slot);
        fresh.initialize(
                loaded.pass(),
                loaded.buffers().model(),
                spec.lora().initLoraWeights(),
                loaded.start(),
                arguments.seed());
        started[slot] = new Started(arguments, 0);
    }

    /**
     * Has a slot that was started begin with the parameters of an adapter instead of fresh ones, its optimizer and step at zero.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors or its scaling are not those of this session's adapters
     */
    public void loadAdapter(int slot, Adapter adapter) {
        TrainingArguments arguments = started(slot).arguments();
        SessionBuffers buffers = loaded.buffers();
        buffers.slots().get(slot).load(loaded.pass(), buffers.model(), spec, adapter);
        started[slot] = new Started(arguments, 0);
    }

    private static void require(int slot, String name, Object value, Object ofSession) {
        if (!value.equals(ofSession)) {
            throw SlotErrors.notTheSessions(slot, name, value, ofSession);
        }
    }

    private void requireLearningRates(int slot, TrainingArguments arguments) {
        if (arguments.loraplusLrRatio() != 1 && !spec.loraPlus()) {
            throw SlotErrors.notTheSessions(slot, "loraplus_lr_ratio", arguments.loraplusLrRatio(), 1.0);
        }
    }

    private static String spelling(Recompute recompute) {
        return recompute.name().toLowerCase(Locale.ROOT);
    }

    private void requireSlot(int slot) {
        if (slot < 0 || slot >= started.length) {
            throw new IllegalArgumentException("slot " + slot + " of " + started.length);
        }
    }

    private Started started(int slot) {
        requireSlot(slot);
        if (started[slot] == null) {
            throw new IllegalStateException("slot " + slot + " has no adapter: start comes first");
        }
        return started[slot];
    }

    /**
     * One optimizer step of each slot that is named: its gradients are normalised by its own counted tokens and clipped by their
     * own norm, at its own learning rate. Micro-batches of several slots go through the model together as far as they fit, each
     * whole.
     *
     * @param microBatches by slot
     * @return by slot: metrics, or the failure that {@link TrainingSession#step(List)} would throw about this adapter alone. It
     *     is as before the call then; the others have made their steps
     * @throws io.sparkqlora.kernels.QLoraException what concerns the device, and so all adapters
     */
    public Map<Integer, SlotOutcome> step(Map<Integer, List<List<PackedRow>>> microBatches) {
        Map<Integer, MixedStep.Request> requests = new LinkedHashMap<>();
        microBatches.forEach((slot, batches) -> {
            Started adapter = started(slot);
            requests.put(slot, new MixedStep.Request(adapter.arguments(), adapter.stepsDone(), batches));
        });
        Map<Integer, SlotOutcome> outcomes = step.run(requests);
        outcomes.forEach((slot, outcome) -> {
            if (outcome.failure() == null) {
                started[slot] =
                        new Started(started[slot].arguments(), outcome.metrics().step());
            }
        });
        return outcomes;
    }

    /**
     * The loss over rows, dropout off; rows are batched as the session's token limit allows.
     *
     * @param withAdapter false for the base alone; where adapters began with a part of the base, with that
     */
    public LossSum evaluate(int slot, List<PackedRow> rows, boolean withAdapter) {
        started(slot);
        if (withAdapter || !spec.lora().initLoraWeights().changesBase()) {
            return step.evaluate(slot, rows, withAdapter);
        }
        SessionBuffers buffers = loaded.buffers();
        return buffers.slots()
                .get(slot)
                .asItBegan(loaded.pass(), buffers.model(), loaded.start(), () -> step.evaluate(slot, rows, true));
    }

    /** Optimizer steps that the slot's adapter has made. */
    public long stepsDone(int slot) {
        return started(slot).stepsDone();
    }

    /** A copy of what the slot's adapter needs to go on, here or in a {@link TrainingSession}. */
    public TrainingState state(int slot) {
        long stepsDone = started(slot).stepsDone();
        return loaded.buffers().slots().get(slot).state(device, stepsDone);
    }

    /**
     * Has the slot's adapter go on where {@code state} was taken, with the arguments that it was started with.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors are not those of this adapter and its optimizer
     */
    public void restore(int slot, TrainingState state) {
        TrainingArguments arguments = started(slot).arguments();
        SessionBuffers buffers = loaded.buffers();
        buffers.slots().get(slot).restore(loaded.pass(), buffers.model(), state);
        started[slot] = new Started(arguments, state.step());
    }

    /** A copy of the slot's adapter; its base has no name yet. */
    public Adapter adapter(int slot) {
        started(slot);
        return loaded.buffers().slots().get(slot).adapter(device, spec);
    }

    /** Frees the device memory; the device stays open. */
    @Override
    public void close() {
        try {
            step.close();
        } finally {
            loaded.arenas().close();
        }
    }
}
