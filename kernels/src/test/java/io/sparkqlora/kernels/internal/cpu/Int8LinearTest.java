// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Int8Input;
import io.sparkqlora.kernels.Int8Matrix;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linear layers of 8-bit weights: codes against whole numbers, products against int64 and float64. */
class Int8LinearTest {

    private static final float THRESHOLD = 6f;
    private static final float SCALING = 1.5f;

    /** Layers side by side, of which some have an update; none has if the rank is 0. */
    private static final class Problem {
        final Random random = new Random(12);
        final DType dtype;
        final int in;
        final int out;
        final int rank;
        final Int8Matrix weight;
        final List<Update> updates = new ArrayList<>();
        final double[][] dense;
        final byte[] weightCodes;
        final float[] weightScales;
        final double[][] b;
        final Tensor x;
        final Int8Input input;
        final Tensor t;
        final Tensor a;
        final Tensor dy;

        Problem(Device device, DType dtype, int rows, int in, int rank, int outliers, String layers) {
            this.dtype = dtype;
            this.in = in;
            this.rank = rank;
            int from = 0;
            for (String layer : layers.split(" ")) {
                int size = Math.abs(Integer.parseInt(layer));
                if (rank > 0 && !layer.startsWith("-")) {
                    Tensor factor = TestMatrix.random(device, dtype, size, rank, 0, random);
                    updates.add(new Update(from, factor, TestMatrix.random(device, DType.F32, size, rank, 0, random)));
                }
                from += size;
            }
            out = from;
            weight = new Int8Matrix(
                    Quantized.tensor(device, DType.I8, out, in), Quantized.tensor(device, DType.F32, 1, out));
            device.ops()
                    .vectorwiseInt8()
                    .quantize(
                            TestMatrix.random(device, DType.F32, out, in, 0, random), weight.codes(), weight.absmax());
            weightCodes = Quantized.bytes(device, weight.codes());
            weightScales = floats(device, weight.absmax());
            Tensor dequantized = TestMatrix.poisoned(device, dtype, out, in, 0);
            device.ops().vectorwiseInt8().dequantize(weight.codes(), weight.absmax(), dequantized);
            dense = TestMatrix.read(dequantized);
            b = TestUpdates.matrix(updates, out, rank);
            x = TestMatrix.random(device, dtype, rows, in, 8, random);
            for (int i = 0; i < outliers; i++) {
                float value = (random.nextBoolean() ? 1 : -1) * (6 + 30 * random.nextFloat());
                set(random.nextInt(rows), random.nextInt(in), value);
            }
            // a GPU has another way for rows that begin at multiples of 16 bytes
            Tensor codes = Quantized.tensor(device, DType.I8, rows, in + 16L).colRange(0, in);
            input = new Int8Input(
                    in % 16 == 0 ? codes : TestMatrix.poisoned(device, DType.I8, rows, in, 3),
                    Quantized.tensor(device, DType.F32, 1, rows),
                    Quantized.tensor(device, DType.I32, 1, in + 1));
            t = rank == 0 ? null : TestMatrix.random(device, dtype, rows, width(), 8, random);
            a = rank == 0 ? null : TestMatrix.random(device, dtype, width(), in, 0, random);
            dy = TestMatrix.random(device, dtype, rows, out, 16, random);
        }

        void set(int row, int col, float value) {
            Rows.store(new float[] {value}, 0, 1, x, row, col);
        }

        int width() {
            return updates.size() * rank;
        }

        double tolerance() {
            return TestMatrix.tolerance(dtype, 3e-3);
        }
    }

    /** What an input should become, in whole numbers. */
    private record Expected(byte[][] codes, float[] scales, List<Integer> columns) {

        static Expected of(double[][] x, float threshold) {
            int cols = x[0].length;
            List<Integer> columns = new ArrayList<>();
            for (int col = 0; col < cols; col++) {
                for (double[] row : x) {
                    if (threshold > 0 && Math.abs(half(row[col])) >= threshold) {
                        columns.add(col);
                        break;
                    }
                }
            }
            byte[][] codes = new byte[x.length][cols];
            float[] scales = new float[x.length];
            for (int row = 0; row < x.length; row++) {
                double largest = 0;
                for (double value : x[row]) {
                    double magnitude = Math.abs(half(value));
                    largest = threshold > 0 && magnitude >= threshold ? largest : Math.max(largest, magnitude);
                }
                scales[row] = (float) largest;
                float scale = largest == 0 ? 0 : 1f / scales[row] * 127f;
                for (int col = 0; col < cols; col++) {
                    float value = (float) half(x[row][col]);
                    codes[row][col] = columns.contains(col) ? 0 : (byte) Math.rint(value * scale);
                }
            }
            return new Expected(codes, scales, columns);
        }

        /** The nearest F16, for numbers that have one. */
        private static double half(double value) {
            double step = Math.scalb(1.0, Math.max(-14, Math.getExponent(value)) - 10);
            return Math.rint(value / step) * step;
        }

        /** The product of the codes. */
        long[][] sums(byte[] weight, int out) {
            int cols = codes[0].length;
            long[][] sums = new long[codes.length][out];
            for (int row = 0; row < codes.length; row++) {
                for (int o = 0; o < out; o++) {
                    for (int col = 0; col < cols; col++) {
                        sums[row][o] += codes[row][col] * weight[o * cols + col];
                    }
                }
            }
            return sums;
        }
    }

    @ParameterizedTest
    @CsvSource({
        // rows, inputs, rank, outliers, layers (without an update: negative)
        "F32, 33, 24, 4, 3, 20 -8 12",
        "F32, 20, 192, 8, 0, 130 70",
        "F32, 300, 100, 4, 5, 17",
        "F32, 3, 1056, 0, 40, 24",
        "F32, 5, 2100, 2, 4, 140",
        "BF16, 70, 40, 5, 2, 17 9",
        "BF16, 1, 128, 16, 1, 64",
        "BF16, 130, 256, 8, 70, 136 -64 200",
        "BF16, 40, 1120, 0, 9, 200 40",
        "BF16, 300, 1120, 8, 9, 320 -200",
        "BF16, 600, 400, 0, 0, 704",
        "BF16, 7, 33, 3, 2, 5",
        "F16, 70, 40, 5, 2, 17 9",
        "F16, 130, 256, 8, 70, 136 -64 200",
        "F16, 257, 320, 0, 3, 1032",
    })
    void agreesWithWholeNumbersAndDoublePrecision(
            DType dtype, int rows, int in, int rank, int outliers, String layers) {
        try (Device device = TestDevice.open()) {
            Problem p = new Problem(device, dtype, rows, in, rank, outliers, layers);
            checkQuantized(device, p, outliers == 0 ? 0 : THRESHOLD);
            checkForward(device, p, outliers == 0 ? 0 : THRESHOLD);
            checkBackward(device, p, true);
            if (rank > 0) {
                checkBackward(device, p, false);
            }
        }
    }

    private static Expected checkQuantized(Device device, Problem p, float threshold) {
        Expected expected = Expected.of(TestMatrix.read(p.x), threshold);
        device.ops().int8Linear().quantize(p.x, threshold, p.input);
        assertThat(floats(device, p.input.absmax())).containsExactly(expected.scales);
        ByteBuffer columns = ByteBuffer.wrap(Quantized.bytes(device, p.input.columns()));
        columns.order(ByteOrder.LITTLE_ENDIAN);
        List<Integer> found = new ArrayList<>();
        for (int i = 0; i < columns.getInt(0); i++) {
            found.add(columns.getInt(Integer.BYTES * (i + 1)));
        }
        assertThat(found).isEqualTo(expected.columns);
        for (int row = 0; row < expected.codes.length; row++) {
            byte[] codes = new byte[p.in];
            Native.load(p.input.codes().address(row), codes, 0, p.in);
            assertThat(codes).as("row %d", row).isEqualTo(expected.codes[row]);
        }
        if (p.in % 16 != 0) {
            TestMatrix.assertGapsUntouched(p.input.codes());
        }
        return expected;
    }

    private static void checkForward(Device device, Problem p, float threshold) {
        Expected quantized = Expected.of(TestMatrix.read(p.x), threshold);
        long[][] sums = quantized.sums(p.weightCodes, p.out);
        double[][] x = TestMatrix.read(p.x);
        double[][] expected = new double[x.length][p.out];
        for (int row = 0; row < x.length; row++) {
            for (int o = 0; o < p.out; o++) {
                expected[row][o] = sums[row][o] * (double) quantized.scales[row] * p.weightScales[o] * 6.200124e-5;
                for (int col : quantized.columns) {
                    expected[row][o] += x[row][col] * p.dense[o][col];
                }
            }
        }
        if (p.rank > 0) {
            expected = TestMatrix.product(TestMatrix.read(p.t), TestMatrix.transpose(p.b), 1, expected);
        }
        Tensor y = TestMatrix.poisoned(device, p.dtype, x.length, p.out, 8);
        device.ops().int8Linear().forward(p.x, p.input, p.weight, p.t, p.updates, y);
        TestMatrix.assertClose(y, expected, p.tolerance());
        TestMatrix.assertGapsUntouched(y);
        int[] bits = TestMatrix.bits(y);
        device.ops().int8Linear().forward(p.x, p.input, p.weight, p.t, p.updates, y);
        assertThat(TestMatrix.bits(y)).isEqualTo(bits);
    }

    private static void checkBackward(Device device, Problem p, boolean lowRank) {
        Tensor scratch = TestMatrix.poisoned(device, p.dtype, p.out, p.in + p.width(), 8);
        Tensor dx = TestMatrix.poisoned(device, p.dtype, (int) p.dy.rows(), p.in + p.width(), 8);
        List<double[][]> gradB = new ArrayList<>();
        for (int i = 0; i < p.updates.size(); i++) {
            Update update = p.updates.get(i);
            double[][] t = TestMatrix.read(p.t.colRange((long) i * p.rank, (i + 1L) * p.rank));
            double[][] dy = TestMatrix.read(update.output(p.dy));
            double[][] before = TestMatrix.read(update.gradB().first());
            gradB.add(TestMatrix.product(TestMatrix.transpose(dy), t, 1, before));
        }
        TensorStack a = lowRank && p.a != null ? TensorStack.of(p.a) : null;
        device.ops().int8Linear().backward(p.dy, p.weight, scratch, p.t, p.updates, SCALING, a, dx);
        double[][] expected = TestMatrix.product(TestMatrix.read(p.dy), p.dense, 1, null);
        if (p.rank > 0) {
            Tensor dt = dx.colRange(p.in, p.in + p.width());
            TestMatrix.assertClose(
                    dt, TestMatrix.product(TestMatrix.read(p.dy), p.b, SCALING, null), 2 * p.tolerance());
            // of dt as it was rounded
            expected =
                    a == null ? expected : TestMatrix.product(TestMatrix.read(dt), TestMatrix.read(p.a), 1, expected);
        }
        TestMatrix.assertClose(dx.colRange(0, p.in), expected, 2 * p.tolerance());
        for (int i = 0; i < p.updates.size(); i++) {
            TestMatrix.assertClose(p.updates.get(i).gradB().first(), gradB.get(i), 1e-5);
        }
        TestMatrix.assertGapsUntouched(dx);
    }

    /** The product of codes is exact, however many there are: in F32 nothing but two scales and the result is rounded. */
    @Test
    void withoutOutliersAndUpdatesEveryBitIsTold() {
        try (Device device = TestDevice.open()) {
            Problem p = new Problem(device, DType.F32, 9, 3000, 0, 0, "150");
            for (int col = 0; col < p.in; col++) {
                p.set(4, col, col % 2 == 0 ? 5f : -5f); // codes of 127 in a whole row
            }
            Expected quantized = checkQuantized(device, p, THRESHOLD);
            long[][] sums = quantized.sums(p.weightCodes, p.out);
            Tensor y = TestMatrix.poisoned(device, DType.F32, 9, p.out, 8);
            device.ops().int8Linear().forward(p.x, p.input, p.weight, null, List.of(), y);
            double[][] got = TestMatrix.read(y);
            for (int row = 0; row < 9; row++) {
                for (int o = 0; o < p.out; o++) {
                    float expected = (float) sums[row][o] * (quantized.scales[row] * p.weightScales[o]) * 6.200124e-5f;
                    assertThat((float) got[row][o]).as("%d, %d", row, o).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void whatRoundsToTheThresholdIsAnOutlierForAllRows() {
        try (Device device = TestDevice.open()) {
            Problem p = new Problem(device, DType.F32, 4, 64, 0, 0, "16");
            p.set(0, 5, -6f);
            p.set(1, 63, 5.9985f); // 6 in F16
            p.set(2, 9, 5.99f);
            p.set(3, 5, 100_000f); // more than F16 holds
            assertThat(checkQuantized(device, p, THRESHOLD).columns).containsExactly(5, 63);
            checkForward(device, p, THRESHOLD);
            assertThat(checkQuantized(device, p, 8).columns).containsExactly(5);
            checkForward(device, p, 8);
        }
    }

    @Test
    void notANumberShowsInItsRow() {
        try (Device device = TestDevice.open()) {
            for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
                for (float threshold : new float[] {0, THRESHOLD}) {
                    Problem p = new Problem(device, DType.BF16, 3, 64, 0, 0, "16");
                    p.set(1, 7, bad);
                    device.ops().int8Linear().quantize(p.x, threshold, p.input);
                    Tensor y = TestMatrix.poisoned(device, DType.BF16, 3, p.out, 0);
                    device.ops().int8Linear().forward(p.x, p.input, p.weight, null, List.of(), y);
                    double[][] got = TestMatrix.read(y);
                    for (int o = 0; o < p.out; o++) {
                        assertThat(got[0][o]).isFinite();
                        assertThat(Double.isFinite(got[1][o])).isFalse();
                        assertThat(got[2][o]).isFinite();
                    }
                }
            }
        }
    }

    private static float[] floats(Device device, Tensor vector) {
        float[] floats = new float[(int) vector.size()];
        ByteBuffer.wrap(Quantized.bytes(device, vector))
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(floats);
        return floats;
    }
}
