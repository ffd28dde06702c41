// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Conversions between F32 and BF16, the upper half of an F32. Integer operations only, so every JIT tier gives the same bits. */
final class BFloat16 {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(INTS.vectorBitSize() / 2));
    private static final int LANES = INTS.length();
    private static final int MAGNITUDE = 0x7fffffff;
    private static final int EXPONENT = 0x7f800000;
    private static final int QUIET_NAN = 0x7fc00000;

    private BFloat16() {}

    static float widen(short bits) {
        return Float.intBitsToFloat(bits << 16);
    }

    /** Rounds to nearest even; not-a-number stays one. */
    static short round(float value) {
        int bits = Float.floatToRawIntBits(value);
        if ((bits & 0x7fffffff) > EXPONENT) {
            return (short) ((bits | QUIET_NAN) >>> 16);
        }
        return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
    }

    static void widen(short[] in, int inAt, float[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - INTS.length(); i += INTS.length()) {
            IntVector bits =
                    (IntVector) ShortVector.fromArray(SHORTS, in, inAt + i).convertShape(VectorOperators.S2I, INTS, 0);
            bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = widen(in[inAt + i]);
        }
    }

    /**
     * Rounds to nearest even. Written out four times on purpose: past 325 bytes of code (FreqInlineSize) the JIT compiler
     * leaves a method out of its callers and compiles it for itself. As a part of them it runs out of its budget for
     * inlining half way, and then makes an object of every vector. Four vectors are asked together whether one has a not-a-number.
     */
    static void round(float[] in, int inAt, short[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - 4 * LANES; i += 4 * LANES) {
            IntVector a = VectorMath.load(in, inAt + i).reinterpretAsInts();
            IntVector b = VectorMath.load(in, inAt + i + LANES).reinterpretAsInts();
            IntVector c = VectorMath.load(in, inAt + i + 2 * LANES).reinterpretAsInts();
            IntVector d = VectorMath.load(in, inAt + i + 3 * LANES).reinterpretAsInts();
            IntVector largest =
                    a.and(MAGNITUDE).max(b.and(MAGNITUDE)).max(c.and(MAGNITUDE)).max(d.and(MAGNITUDE));
            if (largest.compare(VectorOperators.GT, EXPONENT).anyTrue()) {
                roundEach(in, inAt + i, out, outAt + i, 4 * LANES);
                continue;
            }
            a = a.add(a.lanewise(VectorOperators.LSHR, 16).and(1)).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
            ((ShortVector) a.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i);
            b = b.add(b.lanewise(VectorOperators.LSHR, 16).and(1)).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
            ((ShortVector) b.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i + LANES);
            c = c.add(c.lanewise(VectorOperators.LSHR, 16).and(1)).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
            ((ShortVector) c.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i + 2 * LANES);
            d = d.add(d.lanewise(VectorOperators.LSHR, 16).and(1)).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
            ((ShortVector) d.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i + 3 * LANES);
        }
        for (; i <= count - LANES; i += LANES) {
            IntVector e = VectorMath.load(in, inAt + i).reinterpretAsInts();
            VectorMask<Integer> eNan = e.and(0x7fffffff).compare(VectorOperators.GT, EXPONENT);
            IntVector eOdd = e.lanewise(VectorOperators.LSHR, 16).and(1);
            e = e.add(eOdd).add(0x7fff).blend(e.or(QUIET_NAN), eNan).lanewise(VectorOperators.LSHR, 16);
            ((ShortVector) e.convertShape(VectorOperators.I2S, SHORTS, 0)).intoArray(out, outAt + i);
        }
        roundEach(in, inAt + i, out, outAt + i, count - i);
    }

    private static void roundEach(float[] in, int inAt, short[] out, int outAt, int count) {
        for (int i = 0; i < count; i++) {
            out[outAt + i] = round(in[inAt + i]);
        }
    }
}
