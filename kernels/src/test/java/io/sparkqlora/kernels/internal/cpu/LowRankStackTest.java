// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Low-rank updates of rows that have adapters of their own, against float64 and adapter by adapter. */
class LowRankStackTest {

    private static final float SCALING = 1.5f;
    private static final int RUNS = 3;

    private final Device device = TestDevice.open();

    @AfterEach
    void close() {
        device.close();
    }

    /** As many matrices in one allocation, not-a-numbers between them. */
    private TensorStack stack(DType dtype, int rows, int cols, Random random) {
        int distance = (rows * cols + 31) / 16 * 16;
        Tensor flat = TestMatrix.poisoned(device, dtype, 1, RUNS * distance, 0);
        Tensor first = flat.colRange(0, (long) rows * cols).reshape(rows, cols);
        TensorStack stack = new TensorStack(first, RUNS, distance);
        for (int i = 0; i < RUNS; i++) {
            fill(stack.get(i), random);
        }
        return stack;
    }

    private static void fill(Tensor matrix, Random random) {
        float[] row = new float[(int) matrix.cols()];
        for (int i = 0; i < matrix.rows(); i++) {
            for (int j = 0; j < row.length; j++) {
                row[j] = (float) random.nextGaussian();
            }
            Rows.store(row, 0, row.length, matrix, i, 0);
        }
    }

    private static double tolerance(DType dtype) {
        return TestMatrix.tolerance(dtype, 3e-3);
    }

    /** The first ones of a stack. */
    private static TensorStack first(TensorStack stack, int count) {
        return new TensorStack(stack.first(), count, stack.distance());
    }

    private static double[][] turned(double[][] matrix, boolean transposed) {
        return transposed ? TestMatrix.transpose(matrix) : matrix;
    }

    @ParameterizedTest
    @CsvSource({
        // what the low-rank parts are: t = x·Aᵀ, t·Bᵀ added, dt·A added, dA, dB; k of more than one split; rows at odd
        // places
        "BF16, BF16, 70, 16, 1300, false, true, 1.5, 0",
        "BF16, BF16, 256, 48, 576, false, true, 1.5, 0",
        "BF16, BF16, 1024, 40, 1096, false, true, 1.5, 0",
        "BF16, BF16, 130, 200, 16, false, true, 1, 1",
        "BF16, BF16, 96, 264, 32, false, false, 1, 1",
        "BF16, F32, 16, 320, 72, true, false, 1, 1",
        "BF16, F32, 48, 2056, 600, true, false, 1, 1",
        "BF16, F32, 136, 24, 1100, true, false, 1, 1",
        "BF16, F32, 5, 33, 77, true, false, 1, 1",
        "BF16, BF16, 33, 7, 41, true, true, 2, 0.5",
        "F16, F16, 70, 16, 1300, false, true, 1.5, 0",
        "F16, F16, 256, 48, 576, false, true, 1.5, 0",
        "F16, F16, 130, 200, 16, false, true, 1, 1",
        "F16, F16, 96, 264, 32, false, false, 1, 1",
        "F16, F32, 48, 2056, 600, true, false, 1, 1",
        "F16, F32, 136, 24, 1100, true, false, 1, 1",
        "F16, F16, 33, 7, 41, true, true, 2, 0.5",
        "F32, F32, 20, 12, 30, false, true, 1.5, 0",
    })
    void productsOfStacks(
            DType dtype, DType result, int m, int n, int k, boolean ta, boolean tb, float alpha, float beta) {
        Random random = new Random(4);
        TensorStack a = stack(dtype, ta ? k : m, ta ? m : k, random);
        TensorStack b = stack(dtype, tb ? n : k, tb ? k : n, random);
        TensorStack c = stack(result, m, n, random);
        TensorStack fewer = stack(result, m, n, new Random(7));
        List<double[][]> expected = new ArrayList<>();
        for (int i = 0; i < RUNS; i++) {
            double[][] plus = TestMatrix.read(c.get(i));
            for (double[] row : plus) {
                for (int j = 0; j < n; j++) {
                    row[j] *= beta;
                }
            }
            double[][] left = turned(TestMatrix.read(a.get(i)), ta);
            expected.add(TestMatrix.product(left, turned(TestMatrix.read(b.get(i)), tb), alpha, plus));
            if (i < 2) {
                device.ops().elementwise().cast(c.get(i), fewer.get(i));
            }
        }
        device.ops().matmul().multiply(a, ta, b, tb, alpha, beta, c);
        for (int i = 0; i < RUNS; i++) {
            TestMatrix.assertClose(c.get(i), expected.get(i), tolerance(dtype));
        }
        device.ops().matmul().multiply(first(a, 2), ta, first(b, 2), tb, alpha, beta, first(fewer, 2));
        assertThat(TestMatrix.bits(fewer.get(0))).isEqualTo(TestMatrix.bits(c.get(0)));
        assertThat(TestMatrix.bits(fewer.get(1))).isEqualTo(TestMatrix.bits(c.get(1)));
    }

    /** Layers side by side, some with updates, and rows of several adapters. */
    private final class Problem {
        final Random random = new Random(8);
        final DType dtype;
        final int rows;
        final int in;
        final int rank;
        final int out;
        final List<Update> updates = new ArrayList<>();
        final Tensor x;
        final Tensor weight;
        final Tensor t;
        final Tensor dy;
        final TensorStack a;

        /** @param rows of each adapter */
        Problem(DType dtype, int rows, int in, int rank, String layers) {
            this.dtype = dtype;
            this.rows = rows;
            this.in = in;
            this.rank = rank;
            int from = 0;
            for (String layer : layers.split(" ")) {
                int size = Math.abs(Integer.parseInt(layer));
                if (!layer.startsWith("-")) {
                    TensorStack b = stack(dtype, size, rank, random);
                    updates.add(new Update(from, b, stack(DType.F32, size, rank, random)));
                }
                from += size;
            }
            out = from;
            x = TestMatrix.poisoned(device, dtype, RUNS * rows, in + width(), 8);
            fill(inputs(x), random);
            weight = TestMatrix.poisoned(device, dtype, out, in + width(), 8);
            fill(inputs(weight), random);
            t = TestMatrix.random(device, dtype, RUNS * rows, width(), 8, random);
            dy = TestMatrix.random(device, dtype, RUNS * rows, out, 16, random);
            a = stack(dtype, width(), in, random);
        }

        int width() {
            return updates.size() * rank;
        }

        Tensor inputs(Tensor wide) {
            return wide.colRange(0, in);
        }

        Tensor run(Tensor matrix, int i) {
            return TensorStack.runs(matrix, RUNS).get(i);
        }

        /** Of one adapter. */
        double[][] b(int run) {
            List<Update> own = updates.stream()
                    .map(u -> new Update(u.from(), u.b().get(run), u.gradB().get(run)))
                    .toList();
            return TestUpdates.matrix(own, out, rank);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // rows of an adapter, inputs, rank, layers (without an update: negative)
        "F32, 33, 24, 4, 20 -8 12",
        "BF16, 35, 40, 5, 17 9",
        "BF16, 256, 256, 8, 136 -64 200",
        "BF16, 256, 320, 16, 256 64 64",
        "BF16, 512, 136, 32, 192 320",
        "BF16, 260, 192, 16, 264",
        "BF16, 300, 128, 72, 128 136",
        "F16, 35, 40, 5, 17 9",
        "F16, 256, 320, 16, 256 64 64",
    })
    void layersAgreeWithDoublePrecision(DType dtype, int rows, int in, int rank, String layers) {
        Problem p = new Problem(dtype, rows, in, rank, layers);
        checkForward(p);
        checkBackward(p, true, true);
        checkBackward(p, true, false);
        checkBackward(p, false, false);
        neighboursAreTheirOwn(p);
    }

    private void checkForward(Problem p) {
        Tensor y = TestMatrix.poisoned(device, p.dtype, RUNS * p.rows, p.out, 8);
        device.ops().loraLinear().forward(p.x, p.weight, p.t, p.updates, y);
        double[][] weight = TestMatrix.transpose(TestMatrix.read(p.inputs(p.weight)));
        for (int i = 0; i < RUNS; i++) {
            double[][] base = TestMatrix.product(TestMatrix.read(p.inputs(p.run(p.x, i))), weight, 1, null);
            double[][] t = TestMatrix.read(p.run(p.t, i));
            double[][] expected = TestMatrix.product(t, TestMatrix.transpose(p.b(i)), 1, base);
            TestMatrix.assertClose(p.run(y, i), expected, 2 * tolerance(p.dtype));
        }
        TestMatrix.assertGapsUntouched(y);
        int[] bits = TestMatrix.bits(y);
        device.ops().loraLinear().forward(p.x, p.weight, p.t, p.updates, y);
        assertThat(TestMatrix.bits(y)).isEqualTo(bits);
    }

    private void checkBackward(Problem p, boolean inputGradient, boolean lowRank) {
        Tensor dx = TestMatrix.poisoned(device, p.dtype, RUNS * p.rows, p.in + p.width(), 8);
        Tensor dt = dx.colRange(p.in, p.in + p.width());
        List<double[][]> gradB = new ArrayList<>();
        for (int i = 0; i < RUNS; i++) {
            for (int u = 0; u < p.updates.size(); u++) {
                Update update = p.updates.get(u);
                double[][] t = TestMatrix.read(p.run(p.t.colRange((long) u * p.rank, (u + 1L) * p.rank), i));
                double[][] dy = TestMatrix.transpose(TestMatrix.read(p.run(update.output(p.dy), i)));
                gradB.add(TestMatrix.product(
                        dy, t, 1, TestMatrix.read(update.gradB().get(i))));
            }
        }
        Tensor weight = inputGradient ? p.weight : null;
        device.ops().loraLinear().backward(p.dy, weight, p.t, p.updates, SCALING, lowRank ? p.a : null, dx);
        for (int i = 0; i < RUNS; i++) {
            double[][] dy = TestMatrix.read(p.run(p.dy, i));
            TestMatrix.assertClose(p.run(dt, i), TestMatrix.product(dy, p.b(i), SCALING, null), 2 * tolerance(p.dtype));
            for (int u = 0; u < p.updates.size(); u++) {
                Tensor got = p.updates.get(u).gradB().get(i);
                TestMatrix.assertClose(got, gradB.get(i * p.updates.size() + u), 1e-5);
            }
            if (inputGradient) {
                double[][] base = TestMatrix.product(dy, TestMatrix.read(p.inputs(p.weight)), 1, null);
                // of dt as it was rounded
                double[][] low = TestMatrix.read(p.run(dt, i));
                double[][] whole = lowRank ? TestMatrix.product(low, TestMatrix.read(p.a.get(i)), 1, base) : base;
                TestMatrix.assertClose(p.inputs(p.run(dx, i)), whole, 2 * tolerance(p.dtype));
            }
        }
        TestMatrix.assertGapsUntouched(dx);
    }

    /** With a neighbour of not-a-numbers the others' bits are what they were. */
    private void neighboursAreTheirOwn(Problem p) {
        int[] before = outcome(p);
        float[] bad = new float[(int) p.t.cols()];
        Arrays.fill(bad, Float.NaN);
        for (int row = p.rows; row < 2 * p.rows; row++) {
            Rows.store(bad, 0, bad.length, p.t, row, 0);
        }
        Rows.store(bad, 0, bad.length, p.dy, p.rows, 0);
        assertThat(outcome(p)).isEqualTo(before);
    }

    /** Bits of all that the first and the last adapter get; their gradients begin as zeros. */
    private int[] outcome(Problem p) {
        Tensor y = TestMatrix.poisoned(device, p.dtype, RUNS * p.rows, p.out, 8);
        Tensor dx = TestMatrix.poisoned(device, p.dtype, RUNS * p.rows, p.in + p.width(), 8);
        for (Update update : p.updates) {
            for (int i = 0; i < RUNS; i++) {
                device.ops().elementwise().zero(update.gradB().get(i));
            }
        }
        device.ops().loraLinear().forward(p.x, p.weight, p.t, p.updates, y);
        device.ops().loraLinear().backward(p.dy, p.weight, p.t, p.updates, SCALING, p.a, dx);
        List<int[]> bits = new ArrayList<>();
        for (int i = 0; i < RUNS; i += RUNS - 1) {
            bits.add(TestMatrix.bits(p.run(y, i)));
            bits.add(TestMatrix.bits(p.run(dx, i)));
            for (Update update : p.updates) {
                bits.add(TestMatrix.bits(update.gradB().get(i)));
            }
        }
        return bits.stream().flatMapToInt(Arrays::stream).toArray();
    }
}
