// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/**
 * What {@link LevelTables} does, for processors that permute 64 bytes in one instruction. The codes of 32 elements become places
 * in a table of bytes by a few shifts of the bytes that hold them, so they are never written out one by one, and nothing is
 * widened or narrowed on the way. The bits are the same.
 */
final class ByteTables {

    /** What of {@code bytes} is read, and thrown away, past the last code. */
    static final int OVERREAD = 32;

    /** Linux's name for that instruction (AVX-512 VBMI). Without it Java would do the permutation byte by byte. */
    private static final String INSTRUCTION = "avx512_vbmi";

    static final boolean SUPPORTED = LevelTables.SUPPORTED && processorHas(INSTRUCTION);

    private static final VectorSpecies<Byte> BYTES = ByteVector.SPECIES_512;

    /** Each of 16 bytes four times: two for the code in its high half, two for that in its low half. */
    private static final VectorShuffle<Byte> FIRST = VectorShuffle.fromOp(BYTES, i -> i / 4);

    private static final VectorShuffle<Byte> SECOND = VectorShuffle.fromOp(BYTES, i -> 16 + i / 4);
    /** A table has four bytes a level, of which two are used. */
    private static final int HIGH_TIMES_4 = 0x00003c3c;

    private static final int LOW_TIMES_4 = 0x3c3c0000;
    private static final int WHICH_BYTE = 0x01000100;

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
     * Element <i>i</i> of {@code out} is {@code levels[code i] · scales[i / 64]}, rounded to nearest even.
     *
     * @param bytes two codes each, the first in the high half; {@value #OVERREAD} more than have codes
     * @param levels sixteen
     * @param units times 64 elements
     * @param out BF16
     */
    static void lookUp(byte[] bytes, float[] levels, float[] scales, int units, byte[] out) {
        FloatVector level = FloatVector.fromArray(FloatVector.SPECIES_512, levels, 0);
        for (int unit = 0; unit < units; unit++) {
            ByteVector table = LevelTables.rounded(level, scales[unit]).reinterpretAsBytes();
            ByteVector codes = ByteVector.fromArray(BYTES, bytes, unit * LevelTables.UNIT / 2);
            int at = 2 * LevelTables.UNIT * unit;
            table.rearrange(places(codes.rearrange(FIRST))).intoArray(out, at);
            table.rearrange(places(codes.rearrange(SECOND))).intoArray(out, at + LevelTables.UNIT);
        }
    }

    private static VectorShuffle<Byte> places(ByteVector fourTimes) {
        IntVector bytes = fourTimes.reinterpretAsInts();
        IntVector high = bytes.lanewise(VectorOperators.LSHR, 2).and(HIGH_TIMES_4);
        IntVector low = bytes.lanewise(VectorOperators.LSHL, 2).and(LOW_TIMES_4);
        return high.or(low).or(WHICH_BYTE).reinterpretAsBytes().toShuffle();
    }
}
