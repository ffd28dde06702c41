// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

@Tag(TestDevice.CPU_ONLY)
class TableDequantizerTest {

    private static final int UNIT = LevelTables.UNIT;

    /** Random codes and scales; F32 scales among them that are not finite, denormal, or round up to the next power. */
    private static QuantizedMatrix random(Device device, QuantFormat format, long rows, long cols, Random random) {
        QuantizedMatrix matrix = Quantized.allocate(device, format, rows, cols);
        byte[] codes = new byte[(int) matrix.packed().size()];
        random.nextBytes(codes);
        Native.store(codes, 0, codes.length, matrix.packed().address());
        if (format.doubleQuant()) {
            byte[] scales = new byte[(int) matrix.absmax().size()];
            random.nextBytes(scales);
            Native.store(scales, 0, scales.length, matrix.absmax().address());
            fill(matrix.nestedAbsmax(), random);
            Native.putFloat(matrix.nestedOffset().address(), 0.0173f);
        } else {
            fill(matrix.absmax(), random);
        }
        return matrix;
    }

    private static void fill(Tensor scales, Random random) {
        float[] odd = {0f, -0f, Float.NaN, Float.POSITIVE_INFINITY, 1e-39f, Float.MAX_VALUE, 0.99999994f};
        for (long i = 0; i < scales.size(); i++) {
            float scale = random.nextInt(20) == 0 ? odd[random.nextInt(odd.length)] : random.nextFloat();
            Native.putFloat(scales.address() + 4 * i, scale);
        }
    }

    private static short[] run(Device device, Dequantizer dequantizer, long[] part, long rowBytes) {
        Tensor target = Quantized.tensor(device, DType.BF16, 1, part[1] * rowBytes / 2);
        dequantizer.run(part[0], part[1], part[2], part[3], target.address(), rowBytes);
        short[] out = new short[(int) target.size()];
        Native.load(target.address(), out, 0, out.length);
        return out;
    }

    @Property(tries = 150)
    void writesTheBitsOfTheScaledElements(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 600) int rows,
            @ForAll @IntRange(min = 1, max = 40) int blocks,
            @ForAll @IntRange(min = 6, max = 9) int logBlock,
            @ForAll boolean doubleQuant,
            @ForAll QuantFormat.Type type) {
        assumeThat(LevelTables.SUPPORTED).isTrue();
        Random random = new Random(seed);
        QuantFormat format = new QuantFormat(type, 1 << logBlock, doubleQuant);
        long cols = (long) blocks << logBlock;
        try (Device device = TestDevice.open()) {
            QuantizedMatrix matrix = random(device, format, rows, cols, random);
            assertThat(Dequantizer.of(matrix, DType.BF16)).isInstanceOf(TableDequantizer.class);
            int row = random.nextInt(rows);
            int unit = random.nextInt((int) cols / UNIT);
            int units = 1 + random.nextInt((int) cols / UNIT - unit);
            long[] part = {row, 1 + random.nextInt(rows - row), (long) unit * UNIT, (long) units * UNIT};
            long rowBytes = 2 * (part[3] + (random.nextBoolean() ? 0 : random.nextInt(50)));
            short[] plain = run(device, new BlockDequantizer(matrix, DType.BF16), part, rowBytes);
            assertThat(run(device, new TableDequantizer(matrix, new StagedCodes(), false), part, rowBytes))
                    .isEqualTo(plain);
            if (ByteTables.SUPPORTED) {
                assertThat(run(device, new TableDequantizer(matrix, new StagedCodes(), true), part, rowBytes))
                        .isEqualTo(plain);
            }
        }
    }

    @Property(tries = 100)
    void pairsAreTheSameBitsInAnotherOrder(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 300) int halfRows,
            @ForAll @IntRange(min = 1, max = 40) int blocks,
            @ForAll @IntRange(min = 6, max = 9) int logBlock,
            @ForAll boolean doubleQuant,
            @ForAll QuantFormat.Type type) {
        assumeThat(ByteTables.SUPPORTED).isTrue();
        Random random = new Random(seed);
        long cols = (long) blocks << logBlock;
        try (Device device = TestDevice.open()) {
            QuantizedMatrix matrix =
                    random(device, new QuantFormat(type, 1 << logBlock, doubleQuant), 2L * halfRows, cols, random);
            assertThat(PairDequantizer.supports(matrix)).isTrue();
            int row = random.nextInt(halfRows);
            int unit = random.nextInt((int) cols / UNIT);
            int units = 1 + random.nextInt((int) cols / UNIT - unit);
            long[] part = {2L * row, 2 + 2L * random.nextInt(halfRows - row), (long) unit * UNIT, (long) units * UNIT};
            short[] plain = run(device, new BlockDequantizer(matrix, DType.BF16), part, 2 * part[3]);
            int rows = (int) part[1];
            int stride = Math.toIntExact(Product.bytesOfPairs(rows));
            Tensor target = Quantized.tensor(device, DType.BF16, units, stride / 2);
            Dequantizer.inPairs(List.of(matrix)).run(part[0], rows, part[2], part[3], target.address(), stride);
            short[] pairs = new short[(int) target.size()];
            Native.load(target.address(), pairs, 0, pairs.length);
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < part[3]; c++) {
                    assertThat(pairs[c / UNIT * (stride / 2) + r / 2 * 2 * UNIT + c % UNIT * 2 + r % 2])
                            .isEqualTo(plain[r * (int) part[3] + c]);
                }
            }
        }
    }

    /** Linux has written the name of an instruction set with and without a line between its parts. */
    @Example
    void tablesOfBytesAreUsedWhereTheProcessorHasTheInstruction() throws IOException {
        Path processor = Path.of("/proc/cpuinfo");
        assumeThat(processor).exists();
        String flags = Files.readString(processor).replace("_", "").replace('\n', ' ');
        assertThat(ByteTables.SUPPORTED).isEqualTo(LevelTables.SUPPORTED && flags.contains(" avx512vbmi "));
    }

    @Example
    void pairsAreForEvenRows() {
        try (Device device = TestDevice.open()) {
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, true);
            assertThat(PairDequantizer.supports(Quantized.allocate(device, format, 5, 128)))
                    .isFalse();
        }
    }

    @Example
    void isForWholeBlocksInBf16() {
        try (Device device = TestDevice.open()) {
            for (int[] shape : new int[][] {{4, 96, 32}, {4, 96, 64}, {4, 192, 128}}) {
                QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, shape[2], false);
                QuantizedMatrix matrix = Quantized.allocate(device, format, shape[0], shape[1]);
                assertThat(Dequantizer.of(matrix, DType.BF16)).isInstanceOf(BlockDequantizer.class);
            }
            QuantizedMatrix whole = Quantized.allocate(device, new QuantFormat(QuantFormat.Type.NF4, 64, true), 4, 128);
            assertThat(Dequantizer.of(whole, DType.F32)).isInstanceOf(BlockDequantizer.class);
        }
    }
}
