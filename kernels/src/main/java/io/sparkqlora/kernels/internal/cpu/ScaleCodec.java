// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.internal.DynamicBins;

/**
 * Double quantisation: scales less their mean, as 8-bit codes of the dynamic map in blocks of 256. Codes are found as
 * bitsandbytes' CPU library does since 0.50: the normalised value is rounded to one of 65,536 bins, each of which has a code, so
 * a value very near the middle of two codes may get the farther one.
 */
final class ScaleCodec {

    private static final int BLOCK = QuantFormat.NESTED_BLOCK_SIZE;
    private static final float[] MAP = DynamicMap.signed();
    private static final byte[] CODE_OF_BIN = DynamicBins.codes(MAP);

    private ScaleCodec() {}

    static void encode(float[] scales, QuantizedMatrix out) {
        float mean = TorchMean.of(scales, scales.length);
        Native.putFloat(out.nestedOffset().address(), mean);
        byte[] codes = new byte[scales.length];
        for (int at = 0; at < scales.length; at += BLOCK) {
            float max = encodeBlock(scales, at, Math.min(BLOCK, scales.length - at), mean, codes);
            Native.putFloat(out.nestedAbsmax().address() + 4L * (at / BLOCK), max);
        }
        Native.store(codes, 0, codes.length, out.absmax().address());
    }

    private static float encodeBlock(float[] scales, int at, int count, float mean, byte[] codes) {
        float max = 0f;
        for (int i = at; i < at + count; i++) {
            max = Math.max(max, Math.abs(scales[i] - mean));
        }
        if (max == 0f) {
            return max; // all codes stay 0
        }
        float inverse = 1f / max;
        for (int i = at; i < at + count; i++) {
            codes[i] = CODE_OF_BIN[DynamicBins.bin((scales[i] - mean) * inverse)];
        }
        return max;
    }

    /** {@code out[at + i]} is scale {@code from + i} in F32. */
    static void decode(QuantizedMatrix matrix, long from, int count, float[] out, int at) {
        long absmax = matrix.absmax().address();
        if (!matrix.format().doubleQuant()) {
            Native.load(absmax + 4 * from, out, at, count);
            return;
        }
        float offset = Native.getFloat(matrix.nestedOffset().address());
        long nested = matrix.nestedAbsmax().address();
        for (int done = 0; done < count; ) {
            long block = from + done;
            int end = (int) Math.min(count, done + BLOCK - block % BLOCK);
            float scale = Native.getFloat(nested + 4 * (block / BLOCK));
            for (; done < end; done++) {
                out[at + done] = MAP[Native.getByte(absmax + from + done) & 0xff] * scale + offset;
            }
        }
    }
}
