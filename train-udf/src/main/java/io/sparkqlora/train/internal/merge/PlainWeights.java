// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter.Sink;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Tensors that nothing is added to, in another type.
 *
 * @param source the base
 * @param out type that is written, BF16 or F32; null: each its own
 * @param replaced tensors in F32, or the pieces of each, that others take the place of, by name
 */
record PlainWeights(WeightSource source, DType out, Map<String, List<NamedTensor>> replaced) {

    private static final Set<DType> FLOATING = Set.of(DType.F32, DType.F16, DType.BF16);
    private static final long PIECE_BYTES = 64L << 20;

    /** Type and shape of a tensor as it is written: what is no floating-point number stays as it is. */
    TensorInfo written(String name) {
        TensorInfo info = source.info(name);
        if (replaced.containsKey(name)) {
            boolean narrow = out == null ? info.dtype() == DType.BF16 : out == DType.BF16;
            return new TensorInfo(narrow ? DType.BF16 : DType.F32, info.shape());
        }
        return out != null && FLOATING.contains(info.dtype()) ? new TensorInfo(out, info.shape()) : info;
    }

    void write(String name, Sink sink) throws IOException {
        if (replaced.containsKey(name)) {
            for (NamedTensor piece : replaced.get(name)) {
                byte[] values = piece.data();
                sink.write(ByteBuffer.wrap(written(name).dtype() == DType.BF16 ? FloatBytes.toBf16(values) : values));
            }
            return;
        }
        TensorInfo info = source.info(name);
        long step =
                Math.max(1, PIECE_BYTES / Math.max(1, info.cols() * info.dtype().bytes()));
        for (long from = 0; from < info.rows(); from += step) {
            ByteBuffer bytes = source.readRows(name, from, Math.min(info.rows(), from + step));
            sink.write(info.dtype() == written(name).dtype() ? bytes.duplicate() : converted(info.dtype(), bytes));
        }
    }

    private ByteBuffer converted(DType from, ByteBuffer bytes) {
        byte[] wide = FloatBytes.toF32(from, bytes);
        return ByteBuffer.wrap(out == DType.BF16 ? FloatBytes.toBf16(wide) : wide);
    }
}
