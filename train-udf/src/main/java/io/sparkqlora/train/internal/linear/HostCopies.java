// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.NamedTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** Tensors of a device as tensors under names, and back. */
public final class HostCopies {

    private HostCopies() {}

    /** A copy of a contiguous tensor; waits for it. */
    public static NamedTensor read(Device device, String name, Tensor tensor, List<Long> shape) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(tensor.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        device.copyOut(tensor, bytes);
        byte[] data = new byte[bytes.remaining()];
        bytes.get(data);
        long[] dimensions = shape.stream().mapToLong(Long::longValue).toArray();
        return new NamedTensor(name, tensor.dtype(), dimensions, data);
    }

    /** Writes an F32 tensor of one element. */
    public static void write(Device device, float value, Tensor to) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        device.copyIn(bytes.putFloat(0, value), to);
    }

    /** Writes a contiguous I32 tensor. */
    public static void write(Device device, int[] from, Tensor to) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(from.length * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(from);
        device.copyIn(bytes, to);
    }

    /** Writes a contiguous tensor of as many bytes. */
    public static void write(Device device, NamedTensor from, Tensor to) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(from.data().length).put(from.data()).flip();
        device.copyIn(bytes, to);
    }
}
