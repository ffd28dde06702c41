// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.PlanningDevice;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.linear.HostCopies;
import io.sparkqlora.train.internal.model.BaseAllocation;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * One weight of a linear layer as it was trained with: quantised and dequantised where the base was, the adapter added in F32,
 * rounded once at the end.
 *
 * @param device that computes
 * @param source the base
 * @param out type that is written
 */
record WeightMerger(Device device, WeightSource source, DType out) {

    private static final long PIECE_BYTES = 64L << 20;

    /** What is added: {@code scaling · B·A}. */
    record Update(NamedTensor a, NamedTensor b, float scaling) {}

    /** The tensors of one weight. */
    private record Buffers(Tensor source, QuantizedMatrix quantized, Tensor wide, Tensor a, Tensor b, Tensor out) {}

    /**
     * Writes the weight.
     *
     * @param format that the base was held in, or null where this weight was not quantised
     * @param update null for none
     */
    void write(String name, QuantFormat format, Update update, Sink sink) throws IOException {
        Arena counting = new PlanningDevice().unboundedArena();
        take(name, format, update, counting);
        try (Memory memory = device.allocate(counting.peakBytes(), "a weight to merge")) {
            Buffers buffers = take(name, format, update, new Arena(memory));
            copyIn(name, buffers.source());
            if (format == null) {
                device.ops().elementwise().cast(buffers.source(), buffers.wide());
            } else {
                device.ops().quantization().quantize(buffers.source(), buffers.quantized());
                device.ops().quantization().dequantize(buffers.quantized(), buffers.wide());
            }
            if (update != null) {
                add(update, buffers);
            }
            device.ops().elementwise().cast(buffers.wide(), buffers.out());
            copyOut(buffers.out(), sink);
        }
    }

    private Buffers take(String name, QuantFormat format, Update update, Arena arena) {
        TensorInfo info = source.info(name);
        long rows = info.rows();
        long cols = info.cols();
        return new Buffers(
                arena.take(info.dtype(), rows, cols),
                format == null ? null : BaseAllocation.matrix(format, rows, cols, arena),
                arena.take(DType.F32, rows, cols),
                update == null ? null : arena.take(DType.F32, update.a().shape()[0], cols),
                update == null ? null : arena.take(DType.F32, rows, update.b().shape()[1]),
                arena.take(out, rows, cols));
    }

    private void add(Update update, Buffers buffers) {
        HostCopies.write(device, update.a(), buffers.a());
        HostCopies.write(device, update.b(), buffers.b());
        device.ops().matmul().multiply(buffers.b(), false, buffers.a(), false, update.scaling(), 1f, buffers.wide());
    }

    private void copyIn(String name, Tensor target) {
        long step = piece(target);
        for (long from = 0; from < target.rows(); from += step) {
            long to = Math.min(target.rows(), from + step);
            device.copyIn(source.readRows(name, from, to), target.rowRange(from, to));
        }
    }

    private void copyOut(Tensor from, Sink sink) throws IOException {
        long step = piece(from);
        for (long row = 0; row < from.rows(); row += step) {
            Tensor part = from.rowRange(row, Math.min(from.rows(), row + step));
            ByteBuffer bytes = ByteBuffer.allocateDirect(Math.toIntExact(part.bytes()));
            device.copyOut(part, bytes);
            sink.write(bytes.clear());
        }
    }

    private static long piece(Tensor matrix) {
        return Math.max(1, PIECE_BYTES / (matrix.cols() * matrix.dtype().bytes()));
    }
}
