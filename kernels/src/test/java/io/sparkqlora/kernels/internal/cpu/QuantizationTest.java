// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class QuantizationTest {

    private static float[] gaussian(long seed, int n) {
        Random random = new Random(seed);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) (random.nextGaussian() * (random.nextInt(500) == 0 ? 2 : 0.05));
        }
        return x;
    }

    private static QuantizedMatrix quantize(Device device, QuantFormat format, float[] x, int rows, int cols) {
        Tensor source = Quantized.tensor(device, DType.F32, rows, cols);
        Native.store(x, 0, x.length, source.address());
        QuantizedMatrix matrix = Quantized.allocate(device, format, rows, cols);
        device.ops().quantization().quantize(source, matrix);
        return matrix;
    }

    private static float[] dequantize(Device device, QuantizedMatrix matrix) {
        Tensor out = Quantized.tensor(device, DType.F32, matrix.rows(), matrix.cols());
        device.ops().quantization().dequantize(matrix, out);
        float[] y = new float[(int) out.size()];
        Native.load(out.address(), y, 0, y.length);
        return y;
    }

    /** More than a launch takes, rows of other numbers of elements than a block, some at odd places. */
    @ParameterizedTest
    @ValueSource(ints = {40, 37})
    void matricesOneUnderTheOtherAreAsOneByOne(int cols) {
        try (Device device = TestDevice.open()) {
            Random random = new Random(6);
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, true);
            List<QuantizedMatrix> parts = new ArrayList<>();
            Tensor expected = TestMatrix.poisoned(device, DType.BF16, 3 + 40 + 8 + 300 + 1, cols, 8);
            for (int rows : new int[] {3, 40, 8, 300, 1}) {
                QuantizedMatrix part = Quantized.allocate(device, format, rows, cols);
                device.ops().quantization().quantize(TestMatrix.random(device, DType.F32, rows, cols, 0, random), part);
                long from = parts.stream().mapToLong(QuantizedMatrix::rows).sum();
                device.ops().quantization().dequantize(part, expected.rowRange(from, from + rows));
                parts.add(part);
            }
            Tensor out = TestMatrix.poisoned(device, DType.BF16, (int) expected.rows(), cols, 8);
            device.ops().quantization().dequantize(parts, out);
            assertThat(TestMatrix.bits(out)).isEqualTo(TestMatrix.bits(expected));
            TestMatrix.assertGapsUntouched(out);
        }
    }

    private static float maxAbs(float[] x, int from, int to) {
        float max = 0f;
        for (int i = from; i < Math.min(to, x.length); i++) {
            max = Math.max(max, Math.abs(x[i]));
        }
        return max;
    }

    /** Half the widest gap between two levels, times the block's largest magnitude, bounds the error. */
    @Property(tries = 60)
    void theErrorIsAtMostHalfAGap(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 40) int rows,
            @ForAll @IntRange(min = 1, max = 300) int cols,
            @ForAll @IntRange(min = 5, max = 12) int logBlock,
            @ForAll QuantFormat.Type type) {
        int block = 1 << logBlock;
        float[] x = gaussian(seed, rows * cols);
        float[] levels = type.levels();
        Arrays.sort(levels);
        float gap = 0f;
        for (int i = 1; i < levels.length; i++) {
            gap = Math.max(gap, levels[i] - levels[i - 1]);
        }
        try (Device device = TestDevice.open()) {
            QuantizedMatrix matrix = quantize(device, new QuantFormat(type, block, false), x, rows, cols);
            float[] y = dequantize(device, matrix);
            for (int i = 0; i < x.length; i++) {
                float max = maxAbs(x, i / block * block, i / block * block + block);
                assertThat(Math.abs(y[i] - x[i])).as("element %d", i).isLessThanOrEqualTo(max * gap * 0.500001f);
            }
        }
    }

    @Property(tries = 40)
    void dequantizedValuesQuantizeToThemselves(
            @ForAll long seed,
            @ForAll @IntRange(min = 1, max = 20) int rows,
            @ForAll @IntRange(min = 1, max = 300) int cols,
            @ForAll QuantFormat.Type type) {
        QuantFormat format = new QuantFormat(type, 64, false);
        try (Device device = TestDevice.open()) {
            float[] once = dequantize(device, quantize(device, format, gaussian(seed, rows * cols), rows, cols));
            float[] twice = dequantize(device, quantize(device, format, once, rows, cols));
            assertThat(twice).isEqualTo(once);
        }
    }

    /** A scale's code is at most half the map's widest gap away, and the bins of the search add their own width. */
    @Test
    void doubleQuantisationKeepsTheScalesClose() {
        float[] x = gaussian(5, 1024 * 320);
        float[] map = DynamicMap.signed();
        float gap = 0f;
        for (int i = 1; i < map.length; i++) {
            gap = Math.max(gap, map[i] - map[i - 1]);
        }
        try (Device device = TestDevice.open()) {
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, true);
            QuantizedMatrix nested = quantize(device, format, x, 1024, 320);
            float[] scales = new float[(int) format.blocks(x.length)];
            ScaleCodec.decode(nested, 0, scales.length, scales, 0);
            for (int block = 0; block < scales.length; block++) {
                float exact = maxAbs(x, block * 64, block * 64 + 64);
                float max = Native.getFloat(nested.nestedAbsmax().address() + 4L * (block / 256));
                assertThat(Math.abs(scales[block] - exact)).isLessThanOrEqualTo(max * (gap / 2 + 2f / 65535));
            }
        }
    }

    private static float rounded(float value, DType dtype) {
        return switch (dtype) {
            case BF16 -> BFloat16.widen(BFloat16.round(value));
            case F16 -> Float16.widen(Float16.narrow(value));
            default -> value;
        };
    }

    @Test
    void writesRowsOfAnyStrideAndNothingBetween() {
        int rows = 37;
        int cols = 2500;
        float[] x = gaussian(6, rows * cols);
        for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16}) {
            try (Device device = TestDevice.open()) {
                QuantizedMatrix matrix =
                        quantize(device, new QuantFormat(QuantFormat.Type.NF4, 256, true), x, rows, cols);
                float[] expected = dequantize(device, matrix);
                Tensor wide = Quantized.tensor(device, dtype, rows, cols + 30);
                Tensor out = wide.colRange(7, 7 + cols);
                device.ops().quantization().dequantize(matrix, out);
                float[] row = new float[cols];
                for (int r = 0; r < rows; r++) {
                    Rows.load(out, r, 0, cols, row, 0);
                    for (int c = 0; c < cols; c++) {
                        float value = expected[r * cols + c];
                        assertThat(row[c]).isEqualTo(rounded(value, dtype));
                    }
                    for (long at = wide.address(r); at < out.address(r); at++) {
                        assertThat(Native.getByte(at)).isEqualTo((byte) 0xa5);
                    }
                    for (long at = out.address(r) + (long) cols * dtype.bytes();
                            at < wide.address(r) + wide.rowStride() * dtype.bytes();
                            at++) {
                        assertThat(Native.getByte(at)).isEqualTo((byte) 0xa5);
                    }
                }
            }
        }
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void sameBitsAgainAndWithAnyNumberOfThreadsAndWarm() {
        float[] x = gaussian(8, 96 * 4100);
        QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, true);
        try (Device device = TestDevice.open();
                Workers one = new Workers(1);
                Workers three = new Workers(3)) {
            Tensor source = Quantized.tensor(device, DType.F32, 96, 4100);
            Native.store(x, 0, x.length, source.address());
            float[] first = null;
            for (Workers workers : new Workers[] {one, three, one}) {
                QuantizedMatrix matrix = Quantized.allocate(device, format, 96, 4100);
                Tensor out = Quantized.tensor(device, DType.F32, 96, 4100);
                CpuQuantization quantization = new CpuQuantization(workers);
                for (int i = 0; i < 30; i++) {
                    quantization.quantize(source, matrix);
                    quantization.dequantize(matrix, out);
                    float[] y = new float[x.length];
                    Native.load(out.address(), y, 0, y.length);
                    first = first == null ? y : first;
                    assertThat(Arrays.equals(y, first)).isTrue();
                }
            }
        }
    }

    @Test
    void refusesWhatIsNotFinite() {
        float[] x = gaussian(9, 10 * 100);
        x[357] = Float.NEGATIVE_INFINITY;
        try (Device device = TestDevice.open()) {
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, false);
            assertThatThrownBy(() -> quantize(device, format, x, 10, 100))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-K011")
                    .hasMessageContaining("row 3, column 57 is -Infinity");
            x[357] = 0f;
            x[999] = Float.NaN;
            assertThatThrownBy(() -> quantize(device, format, x, 10, 100))
                    .hasMessageContaining("row 9, column 99 is NaN");
        }
    }

    @Test
    void refusesBlockSizesThatBitsandbytesLacks() {
        assertThatThrownBy(() -> new QuantFormat(QuantFormat.Type.NF4, 96, true))
                .isInstanceOf(QLoraException.class)
                .hasMessageContaining("QLORA-K010")
                .hasMessageContaining("no block size 96")
                .hasMessageContaining("power of two from 32 to 4096");
    }

    @Test
    void refusesPartsOfTheWrongSize() {
        try (Device device = TestDevice.open()) {
            QuantFormat format = new QuantFormat(QuantFormat.Type.NF4, 64, true);
            QuantizedMatrix good = Quantized.allocate(device, format, 4, 64);
            QuantizedMatrix bad = new QuantizedMatrix(
                    format, 4, 64, good.packed(), good.nestedAbsmax(), good.nestedAbsmax(), good.nestedOffset());
            assertThatThrownBy(() ->
                            device.ops().quantization().dequantize(bad, Quantized.tensor(device, DType.BF16, 4, 64)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the absmax of a quantised matrix must be 4 contiguous U8");
        }
    }
}
