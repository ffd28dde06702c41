// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.Generation;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.linear.SkippedLayers;
import io.sparkqlora.train.internal.model.BaseAllocation;
import io.sparkqlora.train.internal.model.BaseLoader;
import io.sparkqlora.train.internal.model.BaseModel;
import io.sparkqlora.train.internal.model.ModelAdapter;
import io.sparkqlora.train.internal.model.ModelLayout;
import io.sparkqlora.train.internal.step.SessionArenas;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/**
 * A base and an adapter, without gradients or moments.
 *
 * @param adapter or null
 * @param began does something with the adapter as it began; null where the base is a checkpoint of its own
 */
public record InferenceModel(BaseModel model, ModelAdapter adapter, AsItBegan began) {

    /** Has the adapter be for a while what the base lacks. */
    @FunctionalInterface
    public interface AsItBegan {
        List<Generation> generate(Supplier<List<Generation>> what);
    }

    /** Loads both into allocations of {@code arenas}; {@code adapter} may be null. */
    public static InferenceModel load(
            Device device,
            SessionArenas arenas,
            ModelConfig config,
            WeightSource weights,
            QuantizationConfig quantization,
            Adapter adapter) {
        ModelLayout layout = ModelLayout.of(config);
        SkippedLayers.check(config, quantization, layout);
        AdapterLayout slots = adapterLayout(layout, adapter);
        Map<String, NamedTensor> tensors =
                adapter == null ? Map.of() : AdapterCheck.byName("the adapter", slots, List.of(), adapter.tensors());
        BaseModel model = base(arenas, new Spec(config, quantization, layout, slots), device.traits());
        DecomposedBase decomposed = adapter == null
                ? DecomposedBase.none()
                : DecomposedBase.toGoOn(adapter.config(), Set.copyOf(slots.modules()));
        BaseLoader.load(device, weights, model, 0, decomposed);
        if (adapter == null) {
            return new InferenceModel(model, null, null);
        }
        DType compute = quantization.bnb4bitComputeDtype().dtype();
        AdapterBuffers buffers = buffers(arenas, slots, compute);
        device.ops().elementwise().zero(buffers.parameters());
        buffers.write(device, tensors);
        measure(device, model, buffers, compute);
        boolean own = !adapter.config().initLoraWeights().changesBase();
        // no magnitudes, so nothing is measured in an arena
        Pass pass = new Pass(device, new PlanningDevice().unboundedArena(), compute);
        ModelAdapter views = ModelAdapter.of(layout, buffers);
        AsItBegan began = what ->
                buffers.asItBegan(pass, model.groups(), decomposed.start(), () -> views.begin(pass, model), what);
        return new InferenceModel(model, views, own ? null : began);
    }

    private static void measure(Device device, BaseModel model, AdapterBuffers buffers, DType compute) {
        PlanningDevice planning = new PlanningDevice(device.traits());
        Arena counting = planning.unboundedArena();
        buffers.measure(new Pass(planning, counting, compute), model.groups(), false);
        if (counting.peakBytes() > 0) {
            try (Memory scratch = device.allocate(counting.peakBytes(), "norms of the base's rows")) {
                buffers.measure(new Pass(device, new Arena(scratch), compute), model.groups(), false);
                device.synchronize();
            }
        }
    }

    private record Spec(
            ModelConfig config, QuantizationConfig quantization, ModelLayout layout, AdapterLayout adapter) {

        BaseModel take(Arena linear, Arena embeddings, Arena host) {
            Arena table = quantization.offloadEmbedding() ? host : embeddings;
            return new BaseAllocation(config, quantization, adapter, linear, embeddings, table).take(layout);
        }
    }

    private static AdapterLayout adapterLayout(ModelLayout layout, Adapter adapter) {
        if (adapter == null) {
            return new AdapterLayout(
                    layout.groups(), Set.of(), LoraConfig.builder().build());
        }
        return layout.adapter(adapter.config());
    }

    private static BaseModel base(SessionArenas arenas, Spec spec, DeviceTraits traits) {
        PlanningDevice planning = new PlanningDevice(traits);
        Arena linear = planning.unboundedArena();
        Arena embeddings = planning.unboundedArena();
        Arena host = planning.unboundedHostArena();
        spec.take(linear, embeddings, host);
        return spec.take(
                arenas.add(linear.peakBytes(), "the base weights"),
                arenas.add(embeddings.peakBytes(), "the embeddings"),
                arenas.addHost(host.peakBytes(), "the token embedding"));
    }

    private static AdapterBuffers buffers(SessionArenas arenas, AdapterLayout layout, DType compute) {
        Arena counting = new PlanningDevice().unboundedArena();
        AdapterBuffers.withoutGradients(layout, compute, counting);
        return AdapterBuffers.withoutGradients(layout, compute, arenas.add(counting.peakBytes(), "the adapter"));
    }
}
