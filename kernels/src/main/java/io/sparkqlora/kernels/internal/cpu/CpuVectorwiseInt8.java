// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.VectorwiseInt8;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.Int8Checks;

/** 8-bit integers with a scale a row, on the CPU, parallel over rows. */
final class CpuVectorwiseInt8 implements VectorwiseInt8 {

    private final Workers workers;

    CpuVectorwiseInt8(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void quantize(Tensor source, Tensor codes, Tensor absmax) {
        Int8Checks.parts(codes, absmax, source);
        int cols = Math.toIntExact(source.cols());
        workers.forRange(source.rows(), Elements.grain(cols), (from, to) -> {
            float[] values = Elements.buffers(cols)[0];
            byte[] bytes = new byte[cols];
            for (long row = from; row < to; row++) {
                Rows.load(source, row, 0, cols, values, 0);
                float largest = largest(values, cols, row);
                encode(values, cols, largest, bytes);
                Native.store(bytes, 0, cols, codes.address(row));
                Native.putFloat(absmax.address() + Float.BYTES * row, largest);
            }
        });
    }

    /** Rounds a row to F16; gives its largest magnitude. */
    private static float largest(float[] values, int cols, long row) {
        float largest = 0;
        for (int i = 0; i < cols; i++) {
            float half = Float16.round(values[i]);
            if (!Float.isFinite(half)) {
                throw Int8Checks.unusable(row, i, values[i]);
            }
            values[i] = half;
            largest = Math.max(largest, Math.abs(half));
        }
        return largest;
    }

    private static void encode(float[] values, int cols, float largest, byte[] codes) {
        float scale = Int8Checks.scale(largest);
        for (int i = 0; i < cols; i++) {
            codes[i] = (byte) Math.rint(values[i] * scale);
        }
    }

    @Override
    public void dequantize(Tensor codes, Tensor absmax, Tensor out) {
        Int8Checks.parts(codes, absmax, out);
        Checks.floating(out);
        int cols = Math.toIntExact(out.cols());
        workers.forRange(out.rows(), Elements.grain(cols), (from, to) -> {
            float[] values = Elements.buffers(cols)[0];
            byte[] bytes = new byte[cols];
            for (long row = from; row < to; row++) {
                Native.load(codes.address(row), bytes, 0, cols);
                float scale = Native.getFloat(absmax.address() + Float.BYTES * row);
                for (int i = 0; i < cols; i++) {
                    values[i] = bytes[i] * scale * Int8Checks.INVERSE;
                }
                Rows.store(values, 0, cols, out, row, 0);
            }
        });
    }
}
