// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Conversions between F32 and BF16, the upper half of an F32. Integer operations only, so every JIT tier gives the same bits. */
final class BFloat16 {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(INTS.vectorBitSize() / 2));
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

    static void round(float[] in, int inAt, short[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - INTS.length(); i += INTS.length()) {
            IntVector bits = VectorMath.load(in, inAt + i).reinterpretAsInts();
            ShortVector rounded = (ShortVector) roundBits(bits).convertShape(VectorOperators.I2S, SHORTS, 0);
            rounded.intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = round(in[inAt + i]);
        }
    }

    private static IntVector roundBits(IntVector bits) {
        IntVector upper = bits.lanewise(VectorOperators.LSHR, 16);
        IntVector rounded = bits.add(upper.and(1)).add(0x7fff).lanewise(VectorOperators.LSHR, 16);
        IntVector nan = bits.or(QUIET_NAN).lanewise(VectorOperators.LSHR, 16);
        return rounded.blend(nan, bits.and(0x7fffffff).compare(VectorOperators.GT, EXPONENT));
    }
}
