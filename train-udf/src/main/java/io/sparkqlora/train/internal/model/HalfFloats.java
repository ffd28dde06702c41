// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** IEEE 754 binary16, which the devices do not compute with. */
final class HalfFloats {

    private static final int EXPONENT_OFFSET = 127 - 15;
    private static final float SUBNORMAL_UNIT = 0x1p-24f;

    private HalfFloats() {}

    /** The same values as F32; every one is exact. */
    static ByteBuffer toFloats(ByteBuffer halves) {
        ByteBuffer in = halves.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out =
                ByteBuffer.allocateDirect(Math.multiplyExact(in.remaining(), 2)).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            out.putFloat(toFloat(in.getShort()));
        }
        return out.flip();
    }

    static float toFloat(short half) {
        int sign = (half & 0x8000) << 16;
        int exponent = (half >>> 10) & 0x1F;
        int fraction = half & 0x3FF;
        if (exponent == 0) {
            float value = fraction * SUBNORMAL_UNIT;
            return sign == 0 ? value : -value;
        }
        int wide = exponent == 0x1F ? 0xFF : exponent + EXPONENT_OFFSET;
        return Float.intBitsToFloat(sign | (wide << 23) | (fraction << 13));
    }
}
