// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * Conversions between F32 and F16, the IEEE half, for which Java 17 has none of its own. A half's bits moved to where F32 has
 * its exponent are a number with another bias; what is denormal in F16 is made, and read, by one exact addition in F32.
 */
final class Float16 {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(INTS.vectorBitSize() / 2));
    private static final int LANES = INTS.length();

    private static final int MANTISSA_BITS = 13; // that F32 has more
    private static final int SIGN = 0x80000000;
    private static final int HALF_EXPONENT = 0x7c00 << MANTISSA_BITS;
    private static final int INFINITY = 0x7f800000;
    private static final int HALF_INFINITY = 0x7c00;
    private static final int HALF_NAN = 0x7e00;
    /** F32's exponent is larger by so much. */
    private static final int REBIAS = 112 << 23;
    /** 2⁻¹⁴, the smallest normal half. */
    private static final int SMALLEST_NORMAL = REBIAS + (1 << 23);
    /** 2¹⁶: from here on there is no finite half, whatever the rounding. */
    private static final int BEYOND = 143 << 23;
    /** ½, whose last bit is worth the smallest half, 2⁻²⁴. */
    private static final int ALIGNER = 126 << 23;

    private static final float ALIGN = Float.intBitsToFloat(ALIGNER);
    private static final int BELOW_HALF = (1 << (MANTISSA_BITS - 1)) - 1;

    private Float16() {}

    /** The nearest half, ties to even, as F32; infinite where there is none. */
    static float round(float value) {
        return Float.isNaN(value) ? value : widen(narrow(value));
    }

    /** The bits of the nearest half, ties to even; infinite where there is none, not-a-number stays one. */
    static short narrow(float value) {
        int bits = Float.floatToRawIntBits(value);
        int magnitude = bits & ~SIGN;
        int half;
        if (magnitude >= BEYOND) {
            half = magnitude > INFINITY ? HALF_NAN : HALF_INFINITY;
        } else if (magnitude < SMALLEST_NORMAL) {
            half = Float.floatToRawIntBits(Float.intBitsToFloat(magnitude) + ALIGN) - ALIGNER;
        } else {
            int odd = (magnitude >>> MANTISSA_BITS) & 1;
            half = (magnitude - REBIAS + BELOW_HALF + odd) >>> MANTISSA_BITS;
        }
        return (short) (half | (bits & SIGN) >>> 16);
    }

    /** Exact. */
    static float widen(short bits) {
        int magnitude = (bits & 0x7fff) << MANTISSA_BITS;
        int exponent = magnitude & HALF_EXPONENT;
        int wide = magnitude + REBIAS;
        if (exponent == HALF_EXPONENT) {
            wide += REBIAS;
        } else if (exponent == 0) {
            float shifted = Float.intBitsToFloat(magnitude + SMALLEST_NORMAL);
            wide = Float.floatToRawIntBits(shifted - Float.intBitsToFloat(SMALLEST_NORMAL));
        }
        return Float.intBitsToFloat(wide | (bits & 0x8000) << 16);
    }

    static void widen(short[] in, int inAt, float[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            IntVector bits =
                    (IntVector) ShortVector.fromArray(SHORTS, in, inAt + i).convertShape(VectorOperators.S2I, INTS, 0);
            IntVector magnitude = bits.and(0x7fff).lanewise(VectorOperators.LSHL, MANTISSA_BITS);
            IntVector exponent = magnitude.and(HALF_EXPONENT);
            VectorMask<Integer> special = exponent.compare(VectorOperators.EQ, HALF_EXPONENT);
            VectorMask<Integer> denormal = exponent.compare(VectorOperators.EQ, 0);
            FloatVector shifted = magnitude.add(SMALLEST_NORMAL).reinterpretAsFloats();
            IntVector small = shifted.sub(Float.intBitsToFloat(SMALLEST_NORMAL)).reinterpretAsInts();
            IntVector wide = magnitude.add(REBIAS);
            wide = wide.blend(wide.add(REBIAS), special).blend(small, denormal);
            IntVector sign = bits.and(0x8000).lanewise(VectorOperators.LSHL, 16);
            wide.or(sign).reinterpretAsFloats().intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = widen(in[inAt + i]);
        }
    }

    /** {@link #narrow(float)} of each. */
    static void narrow(float[] in, int inAt, short[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            IntVector bits = VectorMath.load(in, inAt + i).reinterpretAsInts();
            IntVector magnitude = bits.and(~SIGN);
            IntVector odd =
                    magnitude.lanewise(VectorOperators.LSHR, MANTISSA_BITS).and(1);
            IntVector half = magnitude.add(BELOW_HALF - REBIAS).add(odd).lanewise(VectorOperators.LSHR, MANTISSA_BITS);
            IntVector small = magnitude
                    .reinterpretAsFloats()
                    .add(ALIGN)
                    .reinterpretAsInts()
                    .sub(ALIGNER);
            half = half.blend(small, magnitude.compare(VectorOperators.LT, SMALLEST_NORMAL))
                    .blend(HALF_INFINITY, magnitude.compare(VectorOperators.GE, BEYOND))
                    .blend(HALF_NAN, magnitude.compare(VectorOperators.GT, INFINITY))
                    .or(bits.and(SIGN).lanewise(VectorOperators.LSHR, 16));
            ((ShortVector) half.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = narrow(in[inAt + i]);
        }
    }
}
