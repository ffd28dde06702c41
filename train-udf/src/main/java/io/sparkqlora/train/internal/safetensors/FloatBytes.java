// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import io.sparkqlora.kernels.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Widens half-precision numbers; exact, since every one of them is an F32. */
public final class FloatBytes {

    private static final int F16_EXPONENT_BIAS = 15;
    private static final int F16_MANTISSA_BITS = 10;

    private FloatBytes() {}

    /** Little-endian F32 of a little-endian buffer of F32, F16 or BF16. */
    public static byte[] toF32(DType dtype, ByteBuffer source) {
        ByteBuffer in = source.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        int count = in.remaining() / dtype.bytes();
        ByteBuffer out =
                ByteBuffer.allocate(Math.multiplyExact(count, Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            out.putFloat(
                    switch (dtype) {
                        case F32 -> in.getFloat();
                        case BF16 -> Float.intBitsToFloat(in.getShort() << 16);
                        case F16 -> f16(in.getShort());
                        default -> throw new IllegalArgumentException(dtype + " is no floating-point weight type");
                    });
        }
        return out.array();
    }

    /** BF16 of little-endian F32, rounded to nearest even; what is no number stays none. */
    public static byte[] toBf16(byte[] f32) {
        ByteBuffer in = ByteBuffer.wrap(f32).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer out = ByteBuffer.allocate(f32.length / 2).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            int bits = in.getInt();
            boolean number = (bits & Integer.MAX_VALUE) <= 0x7f800000;
            out.putShort(
                    (short) ((number ? bits + 0x7fff + (bits >>> Short.SIZE & 1) : bits | 0x400000) >>> Short.SIZE));
        }
        return out.array();
    }

    /** IEEE 754 binary16. */
    public static float f16(short bits) {
        int exponent = bits >> F16_MANTISSA_BITS & 0x1F;
        int mantissa = bits & 0x3FF;
        float magnitude;
        if (exponent == 0x1F) {
            magnitude = mantissa == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
        } else if (exponent == 0) {
            magnitude = Math.scalb((float) mantissa, 1 - F16_EXPONENT_BIAS - F16_MANTISSA_BITS);
        } else {
            magnitude = Math.scalb((float) (mantissa | 0x400), exponent - F16_EXPONENT_BIAS - F16_MANTISSA_BITS);
        }
        return bits < 0 ? -magnitude : magnitude;
    }
}
