// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.nio.ByteBuffer;

/** Helpers of the quantisation tests. */
final class Quantized {

    private Quantized() {}

    /** A quantised matrix in fresh memory that the device frees, filled with a pattern. */
    static QuantizedMatrix allocate(Device device, QuantFormat format, long rows, long cols) {
        long size = rows * cols;
        boolean nested = format.doubleQuant();
        return new QuantizedMatrix(
                format,
                rows,
                cols,
                tensor(device, DType.U8, 1, (size + 1) / 2),
                tensor(device, nested ? DType.U8 : DType.F32, 1, format.blocks(size)),
                nested ? tensor(device, DType.F32, 1, format.nestedBlocks(size)) : null,
                nested ? tensor(device, DType.F32, 1, 1) : null);
    }

    static Tensor tensor(Device device, DType dtype, long rows, long cols) {
        long bytes = rows * cols * dtype.bytes();
        Tensor tensor = Tensor.of(device.allocate(bytes, "a test"), dtype, rows, cols);
        Native.fill(tensor.address(), bytes, (byte) 0xa5);
        return tensor;
    }

    static byte[] bytes(Device device, Tensor tensor) {
        byte[] out = new byte[(int) tensor.bytes()];
        device.copyOut(tensor, ByteBuffer.wrap(out));
        return out;
    }
}
