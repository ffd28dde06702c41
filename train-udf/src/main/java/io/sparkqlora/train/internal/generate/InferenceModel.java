// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DeviceTraits;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.linear.AdapterBuffers;
import io.sparkqlora.train.internal.linear.AdapterCheck;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.LoraTargets;
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

/**
 * A base and an adapter, without gradients or moments.
 *
 * @param adapter or null
 */
public record InferenceModel(BaseModel model, ModelAdapter adapter) {

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
        BaseLoader.load(device, weights, model, 0);
        if (adapter == null) {
            return new InferenceModel(model, null);
        }
        AdapterBuffers buffers =
                buffers(arenas, slots, quantization.bnb4bitComputeDtype().dtype());
        device.ops().elementwise().zero(buffers.parameters());
        buffers.write(device, tensors);
        return new InferenceModel(model, ModelAdapter.of(layout, buffers));
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
        Set<String> targets = LoraTargets.resolve(adapter.config(), layout.moduleNames());
        return new AdapterLayout(layout.groups(), targets, adapter.config());
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

    /** Gradients are never touched: their place is held by the parameters. */
    private static AdapterBuffers buffers(SessionArenas arenas, AdapterLayout layout, DType compute) {
        Arena counting = new PlanningDevice().unboundedArena();
        take(counting, layout, compute);
        return take(arenas.add(counting.peakBytes(), "the adapter"), layout, compute);
    }

    private static AdapterBuffers take(Arena arena, AdapterLayout layout, DType compute) {
        Tensor parameters = arena.take(DType.F32, 1, layout.size());
        Tensor shadow = compute == DType.F32 ? parameters : arena.take(compute, 1, layout.size());
        return new AdapterBuffers(layout, parameters, shadow, parameters);
    }
}
