// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;

/**
 * Stages parts of tensor rows in {@code float[]}, where the Vector API is at its best: F32 is copied, BF16 and F16
 * widened on the way in and rounded to nearest even on the way out. A row that fits the first-level cache makes this nearly free.
 */
final class Rows {

    private static final int CHUNK = 2048;
    private static final ThreadLocal<short[]> SHORTS = ThreadLocal.withInitial(() -> new short[CHUNK]);

    private Rows() {}

    /** {@code out[at + i] = tensor[row, col + i]} for {@code count} elements. */
    static void load(Tensor tensor, long row, long col, int count, float[] out, int at) {
        load(tensor.dtype(), addressOf(tensor, row, col), count, out, at);
    }

    /** {@code tensor[row, col + i] = in[at + i]} for {@code count} elements. */
    static void store(float[] in, int at, int count, Tensor tensor, long row, long col) {
        store(in, at, count, tensor.dtype(), addressOf(tensor, row, col));
    }

    /** Loads {@code count} elements of one type that lie at {@code address}. */
    static void load(DType dtype, long address, int count, float[] out, int at) {
        switch (dtype) {
            case F32 -> Native.load(address, out, at, count);
            case BF16 -> {
                short[] shorts = SHORTS.get();
                for (int i = 0; i < count; i += CHUNK) {
                    int part = Math.min(CHUNK, count - i);
                    Native.load(address + 2L * i, shorts, 0, part);
                    BFloat16.widen(shorts, 0, out, at + i, part);
                }
            }
            case F16 -> {
                short[] shorts = SHORTS.get();
                for (int i = 0; i < count; i += CHUNK) {
                    int part = Math.min(CHUNK, count - i);
                    Native.load(address + 2L * i, shorts, 0, part);
                    Float16.widen(shorts, 0, out, at + i, part);
                }
            }
            default -> throw KernelErrors.unsupportedDType(dtype, "F32, BF16 or F16");
        }
    }

    /** Stores {@code count} elements of one type at {@code address}. */
    static void store(float[] in, int at, int count, DType dtype, long address) {
        switch (dtype) {
            case F32 -> Native.store(in, at, count, address);
            case BF16 -> {
                short[] shorts = SHORTS.get();
                for (int i = 0; i < count; i += CHUNK) {
                    int part = Math.min(CHUNK, count - i);
                    BFloat16.round(in, at + i, shorts, 0, part);
                    Native.store(shorts, 0, part, address + 2L * i);
                }
            }
            case F16 -> {
                short[] shorts = SHORTS.get();
                for (int i = 0; i < count; i += CHUNK) {
                    int part = Math.min(CHUNK, count - i);
                    Float16.narrow(in, at + i, shorts, 0, part);
                    Native.store(shorts, 0, part, address + 2L * i);
                }
            }
            default -> throw KernelErrors.unsupportedDType(dtype, "F32, BF16 or F16");
        }
    }

    /**
     * Rounds a contiguous F32 matrix to a type of 16 bits, several rows at once where they are short.
     *
     * @param dtype of the target
     * @param stride elements from row to row of the target
     */
    static void narrow(long source, long rows, int cols, DType dtype, long target, long stride) {
        int height = Math.max(1, CHUNK / cols);
        float[] part = new float[height * cols];
        for (long row = 0; row < rows; row += height) {
            int count = (int) Math.min(height, rows - row);
            Native.load(source + 4 * row * cols, part, 0, count * cols);
            for (int r = 0; r < count; r++) {
                store(part, r * cols, cols, dtype, target + 2 * (row + r) * stride);
            }
        }
    }

    private static long addressOf(Tensor tensor, long row, long col) {
        return tensor.address(row) + col * tensor.dtype().bytes();
    }
}
