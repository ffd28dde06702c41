// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * 4-bit codes to BF16 by permutation. A block has one scale, so its elements are one of sixteen numbers: those are scaled and
 * rounded once, and one instruction looks 32 elements up. Rounding sixteen numbers in place of every element changes no bit.
 */
final class LevelTables {

    /** Elements that share a table; blocks and rows that are no multiples of it are not for this class. */
    static final int UNIT = 64;

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Short> SHORTS = ShortVector.SPECIES_PREFERRED;
    private static final VectorSpecies<Byte> BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(SHORTS.vectorBitSize() / 2));
    /** Lanes of a table. */
    static final int LEVELS = 16;

    private static final int EXPONENT = 0x7f800000;
    private static final int QUIET_NAN = 0x7fc00000;

    /** Whether a vector holds a table, which needs 512 bits. */
    static final boolean SUPPORTED = FLOATS.length() == LEVELS;

    private LevelTables() {}

    /** {@code out[2i]} and {@code out[2i + 1]} are the high and the low half of {@code bytes[from + i]}; whole vectors of {@code count}. */
    static void halves(byte[] bytes, int from, int count, byte[] out) {
        for (int i = 0; i < count; i += SHORTS.length()) {
            ShortVector pair = (ShortVector)
                    ByteVector.fromArray(BYTES, bytes, from + i).convertShape(VectorOperators.B2S, SHORTS, 0);
            ShortVector high = pair.lanewise(VectorOperators.LSHR, 4).and((short) 0x0f);
            ShortVector low = pair.lanewise(VectorOperators.LSHL, 8).and((short) 0x0f00);
            high.or(low).reinterpretAsBytes().intoArray(out, 2 * i);
        }
    }

    /**
     * {@code out[i] = levels[codes[i]] · scales[first + i / 64]}, rounded to nearest even.
     *
     * @param levels sixteen
     * @param first index of the first scale
     * @param units times 64 elements
     * @param out BF16
     */
    static void lookUp(byte[] codes, float[] levels, float[] scales, int first, int units, byte[] out) {
        FloatVector level = FloatVector.fromArray(FLOATS, levels, 0);
        for (int unit = 0; unit < units; unit++) {
            ShortVector table =
                    (ShortVector) rounded(level, scales[first + unit]).convertShape(VectorOperators.I2S, SHORTS, 0);
            ShortVector left = (ShortVector)
                    ByteVector.fromArray(BYTES, codes, UNIT * unit).convertShape(VectorOperators.B2S, SHORTS, 0);
            ShortVector right = (ShortVector) ByteVector.fromArray(BYTES, codes, UNIT * unit + UNIT / 2)
                    .convertShape(VectorOperators.B2S, SHORTS, 0);
            table.rearrange(left.toShuffle()).reinterpretAsBytes().intoArray(out, 2 * UNIT * unit);
            table.rearrange(right.toShuffle()).reinterpretAsBytes().intoArray(out, 2 * UNIT * unit + UNIT);
        }
    }

    /** The sixteen numbers that elements of a block can be: BF16, each in the low half of a lane. */
    static IntVector rounded(FloatVector level, float scale) {
        IntVector a = level.mul(scale).reinterpretAsInts();
        IntVector odd = a.lanewise(VectorOperators.LSHR, 16).and(1);
        IntVector sum = a.add(odd).add(0x7fff);
        // then no product is a not-a-number, and the fewer constants a loop has, the fewer are spilt
        if (Float.isFinite(scale)) {
            return sum.lanewise(VectorOperators.LSHR, 16);
        }
        VectorMask<Integer> nan = a.and(0x7fffffff).compare(VectorOperators.GT, EXPONENT);
        return sum.blend(a.or(QUIET_NAN), nan).lanewise(VectorOperators.LSHR, 16);
    }
}
