// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.internal.Int8Checks;

/** F16, the IEEE half; Java 17 has no conversion of its own. */
final class Float16 {

    private static final float DENORMAL_UNIT = 0x1p-24f;
    private static final float SMALLEST_NORMAL = 0x1p-14f;
    private static final int DROPPED_BITS = 13;

    private Float16() {}

    /** The nearest half, ties to even, as F32; infinite where there is none. */
    static float round(float value) {
        float magnitude = Math.abs(value);
        if (!(magnitude < Int8Checks.HALF_OVERFLOW)) {
            return Float.isNaN(value) ? value : Math.copySign(Float.POSITIVE_INFINITY, value);
        }
        if (magnitude < SMALLEST_NORMAL) {
            return Math.copySign((float) Math.rint(magnitude / DENORMAL_UNIT) * DENORMAL_UNIT, value);
        }
        int bits = Float.floatToRawIntBits(value);
        int tie = (bits >>> DROPPED_BITS) & 1;
        int rounded = bits + (1 << (DROPPED_BITS - 1)) - 1 + tie;
        return Float.intBitsToFloat(rounded >> DROPPED_BITS << DROPPED_BITS);
    }

    /** Exact. */
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
