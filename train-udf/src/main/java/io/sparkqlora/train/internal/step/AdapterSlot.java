// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.TrainingState;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.ExpectedTensor;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.optim.Moments;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What a session holds of one adapter.
 *
 * @param buffers the adapter and its gradients
 * @param moments the optimizer's
 * @param views of the adapter by place
 * @param scaler of its loss
 */
public record AdapterSlot(AdapterBuffers buffers, Moments moments, ModelAdapter views, LossScaler scaler) {

    /** Takes one more from arenas of the parts of a memory plan: slots lie at a fixed distance from each other. */
    static AdapterSlot take(SessionSpec spec, SessionBuffers.Arenas arenas) {
        AdapterBuffers buffers =
                AdapterBuffers.take(spec.adapter(), spec.compute(), arenas.adapter(), arenas.gradients());
        Arena home = spec.optim().paged() ? arenas.hostOptimizerState() : arenas.optimizerState();
        return new AdapterSlot(
                buffers,
                Moments.take(spec.optim(), spec.adapter(), spec.loraPlus(), arenas.optimizerState(), home),
                ModelAdapter.of(spec.layout(), buffers),
                LossScaler.of(spec.compute()));
    }

    /** Writes what does not change; once. */
    public void prepare(Device device) {
        buffers.prepare(device);
        moments.prepare(device);
    }

    /** A fresh adapter, of which {@code start} has some tensors, a function of these and the base, and an optimizer that has made no step. */
    public void initialize(
            Pass pass, BaseModel model, InitLoraWeights init, Map<String, NamedTensor> start, long seed) {
        buffers.initialize(pass.device(), init, start, seed);
        views.begin(pass, model);
        buffers.measure(pass, model.groups(), true);
        begin(pass.device());
    }

    /** Does something with the adapter as it began, where that is what the base lacks, and has it be as it is again. */
    public <T> T asItBegan(Pass pass, BaseModel model, Map<String, NamedTensor> start, Supplier<T> what) {
        return buffers.asItBegan(pass, model.groups(), start, () -> views.begin(pass, model), what);
    }

    /** An optimizer that has made no step, for the adapter as it is. */
    public void begin(Device device) {
        moments.reset(device);
        scaler.reset();
    }

    /**
     * Begins with the parameters of an adapter, and an optimizer that has made no step.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors or its scaling are not those of this slot's adapter
     */
    public void load(Pass pass, BaseModel model, SessionSpec spec, Adapter adapter) {
        for (String module : spec.adapter().modules()) {
            double scaling = adapter.config().scaling(module);
            double expected = spec.lora().scaling(module);
            if (scaling != expected) {
                throw TrainErrors.adapterMismatch(
                        "the adapter", "its scaling of " + module, scaling + ", expected " + expected);
            }
        }
        Map<String, NamedTensor> tensors =
                AdapterCheck.byName("the adapter", buffers.layout(), List.of(), adapter.tensors());
        buffers.write(pass.device(), tensors);
        buffers.measure(pass, model.groups(), false);
        begin(pass.device());
    }

    /** A copy of what a run needs to go on. */
    public TrainingState state(Device device, long stepsDone) {
        List<NamedTensor> tensors = new ArrayList<>(buffers.read(device, buffers.parameters()));
        tensors.addAll(moments.read(device));
        tensors.addAll(scaler.read());
        return new TrainingState(stepsDone, tensors);
    }

    /**
     * Goes on where {@code state} was taken.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if its tensors are not those of this adapter and its optimizer
     */
    public void restore(Pass pass, BaseModel model, TrainingState state) {
        List<ExpectedTensor> others = new ArrayList<>(moments.expected());
        others.addAll(scaler.expected());
        Map<String, NamedTensor> tensors =
                AdapterCheck.byName("the training state", buffers.layout(), others, state.tensors());
        buffers.write(pass.device(), tensors);
        buffers.measure(pass, model.groups(), false);
        moments.write(pass.device(), tensors);
        scaler.write(tensors);
    }

    /** A copy of the adapter; its base has no name yet. */
    public Adapter adapter(Device device, SessionSpec spec) {
        TargetModules targets = LoraTargets.spelledOut(
                spec.lora().targetModules(), spec.layout().moduleNames());
        return new Adapter(spec.lora().withTargetModules(targets), null, buffers.read(device, buffers.parameters()));
    }
}
