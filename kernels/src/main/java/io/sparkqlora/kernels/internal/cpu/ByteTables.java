// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * What {@link LevelTables} does, for processors that permute 64 bytes in one instruction. The codes of 32 elements become places
 * in a table of bytes by a few shifts of the bytes that hold them, so they are never written out one by one. The bits are the same. Tables
 * go through memory, since a vector that is kept from one loop to the one inside it becomes an object in some runs, at the JIT compiler's whim.
 */
final class ByteTables {

    /** Linux's name for that instruction (AVX-512 VBMI). Without it Java would do the permutation byte by byte. */
    private static final String INSTRUCTION = "avx512vbmi";

    static final boolean SUPPORTED = LevelTables.SUPPORTED && processorHas(INSTRUCTION);

    private static final VectorSpecies<Float> FLOATS = FloatVector.SPECIES_512;
    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_512;
    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_512;
    /** Codes that fill a vector of numbers, two elements each. */
    private static final VectorSpecies<Byte> CODES = ByteVector.SPECIES_128;
    /** Those that fill it together with as many of the row below. */
    private static final VectorSpecies<Byte> HALF_CODES = ByteVector.SPECIES_64;
    /** The bytes of a vector of numbers. */
    private static final int BYTES = 64;
    /** A code times four: a table has four bytes a level. */
    private static final int TIMES_4 = 0x3c;

    /** Vectors of numbers that a unit makes. */
    private static final int PARTS = 2 * LevelTables.UNIT / BYTES;

    private static final int WHICH_BYTE = 0x01000100;
    private static final long WHICH_BYTE_OF_PAIR = 0x0302010003020100L;

    private ByteTables() {}

    private static boolean processorHas(String flag) {
        Path flags = Path.of("/proc/cpuinfo");
        if (!Files.isReadable(flags)) {
            return false;
        }
        try (var lines = Files.lines(flags)) {
            return lines.filter(line -> line.startsWith("flags"))
                    .findFirst()
                    .map(line -> List.of(line.split("\\s+")).contains(flag))
                    .orElse(false);
        } catch (IOException e) {
            return false;
        }
    }

    /**
     * Table <i>i</i> has {@code levels · scales[first + i]}, rounded to nearest even, a level in the low half of each lane.
     *
     * @param levels sixteen
     * @param count tables
     * @param tables sixteen lanes each
     */
    static void tables(float[] levels, float[] scales, int first, int count, int[] tables) {
        FloatVector level = FloatVector.fromArray(FLOATS, levels, 0);
        for (int i = 0; i < count; i++) {
            LevelTables.rounded(level, scales[first + i]).intoArray(tables, i * INTS.length());
        }
    }

    /**
     * The same for pairs of rows: the upper row's number in the low half of each lane, the lower one's in the high half.
     *
     * @param first index of the first row's scale
     * @param stride from a row's scale to that of the next
     * @param count pairs
     */
    static void tablesOfPairs(float[] levels, float[] scales, int first, int stride, int count, int[] tables) {
        FloatVector level = FloatVector.fromArray(FLOATS, levels, 0);
        for (int i = 0; i < count; i++) {
            int scale = first + 2 * i * stride;
            IntVector lower = LevelTables.rounded(level, scales[scale + stride]).lanewise(VectorOperators.LSHL, 16);
            LevelTables.rounded(level, scales[scale]).or(lower).intoArray(tables, i * INTS.length());
        }
    }

    /**
     * Element <i>i</i> of {@code out} is what table <i>i</i> / 64 has for its code.
     *
     * @param bytes two codes each, the first in the high half
     * @param from index of the first
     * @param units times 64 elements
     * @param out BF16
     */
    static void lookUp(byte[] bytes, int from, int[] tables, int units, byte[] out) {
        for (int i = 0; i < PARTS * units; i++) {
            ByteVector table =
                    IntVector.fromArray(INTS, tables, i / PARTS * INTS.length()).reinterpretAsBytes();
            table.rearrange(places(bytes, from + i * CODES.length())).intoArray(out, i * BYTES);
        }
    }

    /**
     * The same of 64 columns of some rows in the order of {@link Product#inPairs}: each element of an even row is followed by the one under it.
     *
     * @param from index of the first row's first byte
     * @param rowBytes from row to row
     * @param pairs of rows
     */
    static void lookUpPairs(byte[] bytes, int from, int rowBytes, int[] tables, int pairs, byte[] out) {
        for (int i = 0; i < 2 * PARTS * pairs; i++) {
            int pair = i / (2 * PARTS);
            int code = from + 2 * pair * rowBytes + i % (2 * PARTS) * HALF_CODES.length();
            ByteVector table =
                    IntVector.fromArray(INTS, tables, pair * INTS.length()).reinterpretAsBytes();
            table.rearrange(placesOfPairs(bytes, code, code + rowBytes)).intoArray(out, i * BYTES);
        }
    }

    /** Where in a table the two bytes of each of 32 elements are. */
    private static VectorShuffle<Byte> places(byte[] bytes, int at) {
        IntVector codes = (IntVector) ByteVector.fromArray(CODES, bytes, at).convertShape(VectorOperators.B2I, INTS, 0);
        IntVector high = codes.lanewise(VectorOperators.LSHR, 2).and(TIMES_4);
        IntVector low = codes.lanewise(VectorOperators.LSHL, 18).and(TIMES_4 << 16);
        IntVector both = high.or(low);
        return both.or(both.lanewise(VectorOperators.LSHL, 8))
                .or(WHICH_BYTE)
                .reinterpretAsBytes()
                .toShuffle();
    }

    /** The same for 16 elements and those under them, in turn. */
    private static VectorShuffle<Byte> placesOfPairs(byte[] bytes, int upper, int lower) {
        LongVector a =
                (LongVector) ByteVector.fromArray(HALF_CODES, bytes, upper).convertShape(VectorOperators.B2L, LONGS, 0);
        LongVector b =
                (LongVector) ByteVector.fromArray(HALF_CODES, bytes, lower).convertShape(VectorOperators.B2L, LONGS, 0);
        LongVector high = a.lanewise(VectorOperators.LSHR, 2)
                .and(TIMES_4)
                .or(b.lanewise(VectorOperators.LSHL, 14).and(TIMES_4 << 16));
        LongVector low = a.lanewise(VectorOperators.LSHL, 34)
                .and((long) TIMES_4 << 32)
                .or(b.lanewise(VectorOperators.LSHL, 50).and((long) TIMES_4 << 48));
        LongVector both = high.or(low);
        return both.or(both.lanewise(VectorOperators.LSHL, 8))
                .or(WHICH_BYTE_OF_PAIR)
                .reinterpretAsBytes()
                .toShuffle();
    }
}
