// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.Pass;
import io.sparkqlora.train.internal.model.AttentionCall;
import io.sparkqlora.train.internal.model.Batch;
import io.sparkqlora.train.internal.model.ModelForward;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** Runs segments of sequences through the model, keeping their keys and values. */
record CachedForward(ModelForward model, KeyValueCache cache) {

    /** Logits [vocabulary] after each segment that is the last of what is known. */
    List<float[]> logits(PassInput input) {
        Pass pass = model.pass();
        long mark = pass.arena().mark();
        Tensor[] parts = Batch.upload(
                pass,
                input.inputIds(),
                input.ropeRows(),
                input.cacheRows(),
                input.queryStarts(),
                input.keyStarts(),
                input.lastRows());
        Attention.Sequences sequences =
                new Attention.Sequences(input.queryStarts(), input.keyStarts(), parts[3], parts[4]);
        AttentionCall attention =
                cache.over(pass, parts[2], sequences, model.model().config());
        Tensor hidden = model.hidden(parts[0], parts[1], attention);
        List<float[]> rows = input.lastRows().length == 0 ? List.of() : read(pass, model.logits(hidden, parts[5]));
        pass.arena().release(mark);
        return rows;
    }

    private static List<float[]> read(Pass pass, Tensor logits) {
        int cols = Math.toIntExact(logits.cols());
        ByteBuffer bytes = ByteBuffer.allocateDirect(
                        Math.toIntExact(cols * (long) logits.dtype().bytes()))
                .order(ByteOrder.LITTLE_ENDIAN);
        List<float[]> rows = new ArrayList<>();
        for (long row = 0; row < logits.rows(); row++) {
            pass.device().copyOut(logits.rowRange(row, row + 1), bytes);
            float[] values = new float[cols];
            for (int i = 0; i < cols; i++) {
                values[i] = value(logits.dtype(), bytes, i);
            }
            rows.add(values);
        }
        return rows;
    }

    private static float value(DType dtype, ByteBuffer bytes, int i) {
        return switch (dtype) {
            case F32 -> bytes.getFloat(i * Float.BYTES);
            case F16 -> FloatBytes.f16(bytes.getShort(i * Short.BYTES));
            case BF16 -> Float.intBitsToFloat(bytes.getShort(i * Short.BYTES) << Short.SIZE);
            default -> throw new IllegalStateException("logits of " + dtype);
        };
    }
}
