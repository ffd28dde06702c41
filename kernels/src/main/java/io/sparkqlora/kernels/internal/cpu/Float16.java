// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

/** F16, the IEEE half, to F32. Exact; Java 17 has no conversion of its own. */
final class Float16 {

    private static final float DENORMAL_UNIT = 0x1p-24f;

    private Float16() {}

    static float widen(short bits) {
        int exponent = (bits >>> 10) & 0x1f;
        int mantissa = bits & 0x3ff;
        int sign = (bits & 0x8000) << 16;
        if (exponent == 0) {
            return Float.intBitsToFloat(sign | Float.floatToRawIntBits(mantissa * DENORMAL_UNIT));
        }
        int wide = exponent == 0x1f ? 0xff : exponent + 112;
        return Float.intBitsToFloat(sign | (wide << 23) | (mantissa << 13));
    }

    static void widen(short[] in, int inAt, float[] out, int outAt, int count) {
        for (int i = 0; i < count; i++) {
            out[outAt + i] = widen(in[inAt + i]);
        }
    }
}
