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
import io.sparkqlora.train.internal.checkpoint.Int8Weight;
import io.sparkqlora.train.internal.checkpoint.PackedWeight;
import io.sparkqlora.train.internal.checkpoint.StoredWeight;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.decompose.WeightStore;
import io.sparkqlora.train.internal.linear.HostCopies;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * One weight of a linear layer as it was trained with: quantised and dequantised where the base was, the adapter added in F32,
 * rounded once at the end, or quantised.
 *
 * @param device that computes
 * @param source the base
 * @param out type that is written; null where every weight is quantised
 * @param decomposed which weights are taken apart first
 */
record WeightMerger(Device device, WeightSource source, DType out, DecomposedBase decomposed) {

    private static final String WEIGHT = ".weight";

    private static final long PIECE_BYTES = 64L << 20;

    /** What is added: {@code scaling · B·A}; and the lengths of rows after it, or null to leave them. */
    record Update(NamedTensor a, NamedTensor b, NamedTensor magnitude, float scaling) {}

    /** Takes a quantised weight, and how far it is from what it was made of. */
    interface Quantized {
        void accept(HeldWeight weight, double relativeError) throws IOException;
    }

    /** The tensors of one weight. */
    private record Buffers(
            Tensor source,
            HeldWeight held,
            Tensor wide,
            Tensor a,
            Tensor b,
            Tensor magnitude,
            Tensor norms,
            DecomposedBase.Room room) {}

    /**
     * Writes the weight.
     *
     * @param held how the base was held, or null where this weight was not quantised
     * @param update null for none
     */
    void write(String name, HeldFormat held, Update update, Sink sink) throws IOException {
        Arena counting = new PlanningDevice().unboundedArena();
        takeOut(take(name, held, update, counting), counting);
        try (Memory memory = device.allocate(counting.peakBytes(), "a weight to merge")) {
            Arena arena = new Arena(memory);
            Buffers buffers = take(name, held, update, arena);
            Tensor rounded = takeOut(buffers, arena);
            fill(name, held, update, buffers);
            device.ops().elementwise().cast(buffers.wide(), rounded);
            copyOut(rounded, sink);
        }
    }

    private Tensor takeOut(Buffers buffers, Arena arena) {
        return arena.take(out, buffers.wide().rows(), buffers.wide().cols());
    }

    /**
     * Quantises the weight. One that nothing is added to, and that was held in that format, stays what it was, bit for bit.
     *
     * @param held as {@link #write} takes it
     * @param target null for 8 bits
     * @param quantized gets it, in memory that is freed afterwards
     */
    void quantize(String name, HeldFormat held, Update update, QuantFormat target, Quantized quantized)
            throws IOException {
        boolean same = update == null && held != null && Objects.equals(target, held.format());
        Arena counting = new PlanningDevice().unboundedArena();
        takeResult(take(name, held, update, counting), target, same, counting);
        try (Memory memory = device.allocate(counting.peakBytes(), "a weight to quantise")) {
            Arena arena = new Arena(memory);
            Buffers buffers = take(name, held, update, arena);
            Result result = takeResult(buffers, target, same, arena);
            fill(name, held, update, buffers);
            if (!same) {
                result.weight().quantize(device.ops(), buffers.wide());
                result.weight().dequantize(device.ops(), result.back());
            }
            quantized.accept(result.weight(), same ? 0 : FrobeniusError.of(device, buffers.wide(), result.back()));
        }
    }

    /** Takes the weight apart, and leaves it at that. */
    void split(String name, HeldFormat held) {
        Arena counting = new PlanningDevice().unboundedArena();
        take(name, held, null, counting);
        try (Memory memory = device.allocate(counting.peakBytes(), "a weight to take apart")) {
            fill(name, held, null, take(name, held, null, new Arena(memory)));
        }
    }

    private record Result(HeldWeight weight, Tensor back) {}

    private static Result takeResult(Buffers buffers, QuantFormat target, boolean same, Arena arena) {
        if (same) {
            return new Result(buffers.held(), null);
        }
        long rows = buffers.wide().rows();
        long cols = buffers.wide().cols();
        return new Result(HeldWeight.take(target, rows, cols, arena), arena.take(DType.F32, rows, cols));
    }

    private Buffers take(String name, HeldFormat held, Update update, Arena arena) {
        TensorInfo info = source.info(name);
        StoredWeight stored = held == null ? null : held.stored();
        long rows = stored == null ? info.rows() : stored.rows();
        long cols = stored == null ? info.cols() : stored.cols();
        return new Buffers(
                stored == null ? arena.take(info.dtype(), rows, cols) : null,
                held == null ? null : HeldWeight.take(held.format(), rows, cols, arena),
                arena.take(DType.F32, rows, cols),
                update == null ? null : arena.take(DType.F32, update.a().shape()[0], cols),
                update == null ? null : arena.take(DType.F32, rows, update.b().shape()[1]),
                lengths(update, rows, arena),
                lengths(update, rows, arena),
                decomposed.touches(module(name)) ? decomposed.take(arena, module(name), rows, cols) : null);
    }

    private static String module(String weight) {
        return weight.substring(0, weight.length() - WEIGHT.length());
    }

    private static Tensor lengths(Update update, long rows, Arena arena) {
        return update == null || update.magnitude() == null ? null : arena.take(DType.F32, 1, rows);
    }

    private void fill(String name, HeldFormat held, Update update, Buffers buffers) {
        if (held == null || held.stored() == null) {
            // one that was not quantised is in wide at once
            WeightStore own = held == null
                    ? WeightStore.of(device.ops(), buffers.wide())
                    : buffers.held().in(device.ops());
            copyIn(name, buffers.source());
            if (buffers.room() == null) {
                own.store(buffers.source());
            } else {
                decomposed.split(device, module(name), buffers.source(), buffers.room(), own);
            }
        } else if (held.stored() instanceof PackedWeight packed) {
            copyIn(packed, buffers.held().in4bit());
        } else {
            copyIn(name, buffers.held().in8bit().codes());
            copyIn(Int8Weight.scales(name), buffers.held().in8bit().absmax());
        }
        if (held != null) {
            buffers.held().dequantize(device.ops(), buffers.wide());
        }
        if (update != null) {
            add(update, buffers);
        }
    }

    private void add(Update update, Buffers buffers) {
        HostCopies.write(device, update.a(), buffers.a());
        HostCopies.write(device, update.b(), buffers.b());
        device.ops().matmul().multiply(buffers.b(), false, buffers.a(), false, update.scaling(), 1f, buffers.wide());
        if (update.magnitude() != null) {
            HostCopies.write(device, update.magnitude(), buffers.magnitude());
            device.ops().weightNorm().rowNorms(buffers.wide(), buffers.norms());
            device.ops().weightNorm().divide(buffers.magnitude(), buffers.norms(), buffers.norms());
            device.ops().weightNorm().scaleRows(buffers.wide(), buffers.norms());
        }
    }

    private void copyIn(PackedWeight stored, QuantizedMatrix target) {
        String name = stored.name();
        TensorInfo info = source.info(name);
        copyIn(
                name,
                new Tensor(
                        target.packed().memory(),
                        target.packed().byteOffset(),
                        info.dtype(),
                        info.rows(),
                        info.cols(),
                        info.cols()));
        copyIn(name + PackedWeight.ABSMAX, target.absmax());
        if (stored.format().doubleQuant()) {
            copyIn(name + PackedWeight.NESTED_ABSMAX, target.nestedAbsmax());
            HostCopies.write(device, stored.nestedOffset(), target.nestedOffset());
        }
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
