// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;

/**
 * An adapter on the device with what its training needs, each a flat vector.
 *
 * @param layout where tensors lie
 * @param parameters F32 masters
 * @param shadow the parameters in the type of the pass: what products read; {@code parameters} itself where that is F32
 * @param gradients F32
 * @param expAvg AdamW's first moment, F32
 * @param expAvgSq AdamW's second moment, F32
 */
public record AdapterBuffers(
        AdapterLayout layout, Tensor parameters, Tensor shadow, Tensor gradients, Tensor expAvg, Tensor expAvgSq) {

    /** Takes the buffers from arenas of their own kind, so that a plan can name the parts. */
    public static AdapterBuffers take(
            AdapterLayout layout, DType compute, Arena adapter, Arena gradients, Arena optimizer) {
        Tensor parameters = adapter.take(DType.F32, 1, layout.size());
        Tensor shadow = compute == DType.F32 ? parameters : adapter.take(compute, 1, layout.size());
        Tensor gradient = gradients.take(DType.F32, 1, layout.size());
        Tensor expAvg = optimizer.take(DType.F32, 1, layout.size());
        return new AdapterBuffers(
                layout, parameters, shadow, gradient, expAvg, optimizer.take(DType.F32, 1, layout.size()));
    }

    /** A group's part of the adapter, or null if it has none. */
    public LoraGroup group(GroupSpec spec, double scaling) {
        return layout.group(spec, (float) scaling, parameters, shadow, gradients);
    }

    /** Fresh parameters as PEFT initialises them, zero moments; a function of {@code seed} alone. */
    public void initialize(Device device, long seed) {
        device.ops().elementwise().zero(parameters);
        for (Slot slot : layout.slots()) {
            if (slot.low()) {
                device.copyIn(LoraInit.kaimingUniform(slot, seed), slot.in(parameters));
            }
        }
        resetMoments(device);
        refreshShadow(device);
    }

    /** Zero moments: an optimizer that has made no step. */
    public void resetMoments(Device device) {
        device.ops().elementwise().zero(expAvg);
        device.ops().elementwise().zero(expAvgSq);
    }

    /** Rounds the masters to the type of the pass; after every change of the parameters. */
    public void refreshShadow(Device device) {
        if (shadow.dtype() != DType.F32) {
            device.ops().elementwise().cast(parameters, shadow);
        }
    }

    /** Copies of a flat buffer's tensors, under PEFT's names behind {@code prefix}. */
    public List<NamedTensor> read(Device device, Tensor flat, String prefix) {
        return layout.slots().stream()
                .map(slot -> read(device, slot, flat, prefix))
                .toList();
    }

    private static NamedTensor read(Device device, Slot slot, Tensor flat, String prefix) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(Math.toIntExact(slot.size() * Float.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(slot.in(flat), bytes);
        byte[] data = new byte[bytes.remaining()];
        bytes.get(data);
        return new NamedTensor(prefix + slot.name(), DType.F32, new long[] {slot.rows(), slot.cols()}, data);
    }

    /** Writes a flat buffer's tensors from copies that {@link AdapterCheck} found complete. */
    public void write(Device device, Tensor flat, String prefix, Map<String, NamedTensor> tensors) {
        for (Slot slot : layout.slots()) {
            byte[] data = tensors.get(prefix + slot.name()).data();
            ByteBuffer bytes = ByteBuffer.allocateDirect(data.length).put(data).flip();
            device.copyIn(bytes, slot.in(flat));
        }
    }
}
