// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Int8Checks;

/**
 * Codes of 8 bits in the types that oneDNN multiplies on any processor. Its own products of 8-bit integers overflow where a processor
 * has no instructions for them; as F32 or BF16, which hold every code, {@value #EXACT} products of two add up to less than 2²⁴, and so
 * exactly in F32, in whatever order.
 */
final class Int8Codes {

    /** So many products, each of at most 127², have exact sums in F32; a multiple of what oneDNN takes at once. */
    static final int EXACT = 1024;

    private static final short[] BF16 = bf16();

    private Int8Codes() {}

    private static short[] bf16() {
        short[] table = new short[1 << Byte.SIZE];
        for (int code = Byte.MIN_VALUE; code <= Byte.MAX_VALUE; code++) {
            table[code & 0xff] = BFloat16.round(code);
        }
        return table;
    }

    /** For one thread: rows of codes. */
    static final class Widener {

        private final byte[] bytes;
        private final short[] shorts;
        private final float[] floats;
        private final DType type;

        Widener(int cols, DType type) {
            this.type = type;
            bytes = new byte[cols];
            shorts = type == DType.BF16 ? new short[cols] : null;
            floats = new float[cols];
        }

        /** Writes {@code rows} rows from {@code from} on, each {@code inner} elements long: zeros behind the codes. */
        void widen(Tensor codes, long from, long rows, long inner, long target) {
            int cols = bytes.length;
            int width = type.bytes();
            for (long row = 0; row < rows; row++) {
                long to = target + row * inner * width;
                Native.load(codes.address(from + row), bytes, 0, cols);
                if (shorts != null) {
                    for (int i = 0; i < cols; i++) {
                        shorts[i] = BF16[bytes[i] & 0xff];
                    }
                    Native.store(shorts, 0, cols, to);
                } else {
                    for (int i = 0; i < cols; i++) {
                        floats[i] = bytes[i];
                    }
                    Native.store(floats, 0, cols, to);
                }
                Native.fill(to + (long) cols * width, (inner - cols) * width, (byte) 0);
            }
        }

        /** Writes columns of rows of a weight, dequantised in {@code out}; zeros behind them. */
        void dequantize(Tensor codes, float[] absmax, long from, int[] columns, long inner, DType out, long target) {
            float[] values = new float[(int) inner];
            for (int row = 0; row < absmax.length; row++) {
                for (int i = 0; i < columns.length; i++) {
                    byte code = Native.getByte(codes.address(from + row) + columns[i]);
                    values[i] = code * absmax[row] * Int8Checks.INVERSE;
                }
                Rows.store(values, 0, (int) inner, out, target + row * inner * out.bytes());
            }
        }
    }
}
