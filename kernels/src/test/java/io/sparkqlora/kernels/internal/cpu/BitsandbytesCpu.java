// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantFormat.Type;
import io.sparkqlora.kernels.QuantizedMatrix;

/**
 * Dequantisation written out, as the format says or as bitsandbytes 0.50 does it on a CPU with AVX-512
 * ({@code dequantizeBlockwise4bitCpu}), where the reference data were made. That has two slips. Where the columns are a multiple
 * of 16 and blocks have fewer than 2048 elements, the scale of element (r, c) is number {@code r · ⌊n / blockSize⌋ +
 * ⌊c / blockSize⌋}: another block's wherever rows are no whole number of blocks. Elsewhere FP4's code 8, a zero, is a negative one.
 */
final class BitsandbytesCpu {

    private static final int WIDTH = 16;
    private static final int BLOCK_LIMIT = 2048;
    private static final int FP4_SECOND_ZERO = 8;

    private BitsandbytesCpu() {}

    /** Whether one of the slips may show. */
    static boolean slips(QuantizedMatrix matrix) {
        return byRow(matrix) || (matrix.format().type() == Type.FP4 && matrix.cols() % WIDTH != 0);
    }

    private static boolean byRow(QuantizedMatrix matrix) {
        int block = matrix.format().blockSize();
        return matrix.cols() % WIDTH == 0 && matrix.cols() % block != 0 && block < BLOCK_LIMIT;
    }

    /** The elements in F32, rounded after each step. */
    static float[] dequantize(QuantizedMatrix matrix, boolean withSlips) {
        float[] levels = matrix.format().type().levels();
        if (withSlips && matrix.format().type() == Type.FP4 && matrix.cols() % WIDTH != 0) {
            levels[FP4_SECOND_ZERO] = -0f;
        }
        boolean byRow = withSlips && byRow(matrix);
        int block = matrix.format().blockSize();
        float[] out = new float[(int) matrix.size()];
        for (int i = 0; i < out.length; i++) {
            int pair = Native.getByte(matrix.packed().address() + i / 2);
            long row = i / matrix.cols();
            long col = i % matrix.cols();
            long scale = byRow ? row * (matrix.cols() / block) + col / block : i / block;
            out[i] = levels[(i % 2 == 0 ? pair >> 4 : pair) & 15] * scale(matrix, scale);
        }
        return out;
    }

    private static float scale(QuantizedMatrix matrix, long block) {
        if (!matrix.format().doubleQuant()) {
            return Native.getFloat(matrix.absmax().address() + 4 * block);
        }
        int code = Native.getByte(matrix.absmax().address() + block) & 0xff;
        float nested = Native.getFloat(matrix.nestedAbsmax().address() + 4 * (block / QuantFormat.NESTED_BLOCK_SIZE));
        return DynamicMap.signed()[code] * nested
                + Native.getFloat(matrix.nestedOffset().address());
    }
}
