// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.InitLoraWeights;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.AdapterLayout.Role;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * An adapter on the device with its gradients, each a flat vector.
 *
 * @param layout where tensors lie
 * @param parameters F32 masters
 * @param shadow the parameters in the type of the pass: what products read; {@code parameters} itself where that is F32
 * @param gradients F32
 * @param norms of DoRA's rows; null without
 * @param ones F32, as many as the longest norm that is trained has elements; null where none is, or without gradients
 */
public record AdapterBuffers(
        AdapterLayout layout, Tensor parameters, Tensor shadow, Tensor gradients, RowNorms norms, Tensor ones) {

    /** Takes the buffers from arenas of their own kind, so that a plan can name the parts. */
    public static AdapterBuffers take(AdapterLayout layout, DType compute, Arena adapter, Arena gradients) {
        Tensor parameters = adapter.take(DType.F32, 1, layout.size());
        Tensor shadow = compute == DType.F32 ? parameters : adapter.take(compute, 1, layout.size());
        Tensor taken = gradients.take(DType.F32, 1, layout.size());
        RowNorms norms = RowNorms.take(layout, adapter);
        return new AdapterBuffers(layout, parameters, shadow, taken, norms, ones(layout, adapter));
    }

    /** The same for somebody who never touches gradients: their place is held by the parameters. */
    public static AdapterBuffers withoutGradients(AdapterLayout layout, DType compute, Arena adapter) {
        Tensor parameters = adapter.take(DType.F32, 1, layout.size());
        Tensor shadow = compute == DType.F32 ? parameters : adapter.take(compute, 1, layout.size());
        return new AdapterBuffers(layout, parameters, shadow, parameters, RowNorms.take(layout, adapter), null);
    }

    private static Tensor ones(AdapterLayout layout, Arena arena) {
        long longest = layout.slots().stream()
                .filter(slot -> slot.role() == Role.NORM)
                .mapToLong(Slot::size)
                .max()
                .orElse(0);
        return longest == 0 ? null : arena.take(DType.F32, 1, longest);
    }

    /** Writes what does not change; once. */
    public void prepare(Device device) {
        if (ones != null) {
            float[] values = new float[Math.toIntExact(ones.size())];
            Arrays.fill(values, 1f);
            ByteBuffer bytes =
                    ByteBuffer.allocateDirect(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(values);
            device.copyIn(bytes, ones);
        }
    }

    /** A group's part of the adapter, or null if it has none. */
    public LoraGroup group(GroupSpec spec) {
        return layout.group(spec, parameters, shadow, gradients, norms);
    }

    /** The weight of a module that is trained whole; null of one that is not. */
    public SavedWeight saved(String module) {
        Slot slot = layout.saved(module);
        if (slot == null) {
            return null;
        }
        Tensor master = slot.in(parameters);
        return new SavedWeight(master, slot.role() == Role.NORM ? master : slot.in(shadow), slot.in(gradients));
    }

    /** Fresh parameters as PEFT initialises them, but for those that {@code start} has; a function of these. */
    public void initialize(Device device, InitLoraWeights init, Map<String, NamedTensor> start, long seed) {
        device.ops().elementwise().zero(parameters);
        for (Slot slot : layout.slots()) {
            if (start.containsKey(slot.name())) {
                HostCopies.write(device, start.get(slot.name()), slot.in(parameters));
            } else if (slot.low()) {
                device.copyIn(LoraInit.of(init, slot, seed), slot.in(parameters));
            }
        }
        refreshShadow(device);
    }

    /** Rounds the masters to the type of the pass; after every change of the parameters. */
    public void refreshShadow(Device device) {
        if (shadow.dtype() != DType.F32) {
            device.ops().elementwise().cast(parameters, shadow);
        }
    }

    /**
     * Measures what of the adapter depends on the base, after every change of the parameters; nothing but with DoRA.
     *
     * @param groups all of the base
     * @param fresh whether magnitudes are to begin as the norms, and biases as the base's
     */
    public void measure(Pass pass, List<LinearGroup> groups, boolean fresh) {
        if (fresh) {
            groups.forEach(group -> layout.beginBiases(pass, group, parameters));
        }
        if (norms == null) {
            return;
        }
        groups.forEach(group -> norms.measure(pass, group, layout, parameters));
        if (fresh) {
            norms.begin(pass, layout, parameters);
        }
        norms.divide(pass, layout, parameters);
    }

    /**
     * Does something with fresh parameters, and puts back those that there are.
     *
     * @param groups all of the base
     * @param start all matrices, by name
     * @param whole has modules that are trained whole begin
     */
    public <T> T asItBegan(
            Pass pass, List<LinearGroup> groups, Map<String, NamedTensor> start, Runnable whole, Supplier<T> what) {
        Map<String, NamedTensor> now = read(pass.device(), parameters).stream()
                .collect(Collectors.toMap(NamedTensor::name, Function.identity()));
        try {
            initialize(pass.device(), InitLoraWeights.TRUE, start, 0);
            whole.run();
            measure(pass, groups, true);
            return what.get();
        } finally {
            write(pass.device(), now);
        }
    }

    /** Copies of a flat buffer's tensors, under PEFT's names. */
    public List<NamedTensor> read(Device device, Tensor flat) {
        return layout.slots().stream()
                .map(slot -> HostCopies.read(device, slot.name(), slot.in(flat), ExpectedTensor.shape(slot)))
                .toList();
    }

    /** Replaces the parameters by copies that {@link AdapterCheck} found complete. */
    public void write(Device device, Map<String, NamedTensor> tensors) {
        for (Slot slot : layout.slots()) {
            HostCopies.write(device, tensors.get(slot.name()), slot.in(parameters));
        }
        refreshShadow(device);
    }
}
