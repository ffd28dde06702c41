// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linear layers with low-rank updates against float64. */
class LoraLinearTest {

    private static final float SCALING = 1.5f;

    /** Layers side by side, of which some have an update. */
    private static final class Problem {
        final Random random = new Random(8);
        final DType dtype;
        final int rows;
        final int in;
        final int out;
        final int rank;
        final Tensor x;
        final Tensor weight;
        final Tensor t;
        final Tensor a;
        final Tensor dy;
        final List<Update> updates = new ArrayList<>();

        Problem(Device device, DType dtype, int rows, int in, int rank, String layers) {
            this.dtype = dtype;
            this.rows = rows;
            this.in = in;
            this.rank = rank;
            int from = 0;
            for (String layer : layers.split(" ")) {
                int size = Math.abs(Integer.parseInt(layer));
                if (!layer.startsWith("-")) {
                    Tensor b = TestMatrix.random(device, dtype, size, rank, 0, random);
                    updates.add(new Update(from, b, TestMatrix.random(device, DType.F32, size, rank, 0, random)));
                }
                from += size;
            }
            out = from;
            x = withRoom(device, rows);
            weight = withRoom(device, out);
            t = TestMatrix.random(device, dtype, rows, width(), 8, random);
            a = TestMatrix.random(device, dtype, width(), in, 0, random);
            dy = TestMatrix.random(device, dtype, rows, out, 16, random);
        }

        int width() {
            return updates.size() * rank;
        }

        /** Random inputs, and not-a-numbers in the columns for the low-rank part. */
        private Tensor withRoom(Device device, int rows) {
            Tensor whole = TestMatrix.poisoned(device, dtype, rows, in + width(), 8);
            for (int row = 0; row < rows; row++) {
                float[] values = new float[in];
                for (int i = 0; i < in; i++) {
                    values[i] = (float) random.nextGaussian();
                }
                Rows.store(values, 0, in, whole, row, 0);
            }
            return whole;
        }

        Tensor inputs(Tensor wide) {
            return wide.colRange(0, in);
        }

        double tolerance() {
            return TestMatrix.tolerance(dtype, 3e-3);
        }

        double[][] b() {
            return TestUpdates.matrix(updates, out, rank);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // rows, inputs, rank, layers (without an update: negative)
        "F32, 33, 24, 4, 20 -8 12",
        "BF16, 70, 40, 5, 17 9",
        "BF16, 300, 256, 8, 136 -64 200",
        "BF16, 200, 320, 16, 256 64 64",
        "BF16, 385, 136, 32, 192 320",
        "BF16, 257, 192, 48, 264",
        "BF16, 260, 128, 72, 128 136",
        "F16, 70, 40, 5, 17 9",
        "F16, 200, 320, 16, 256 64 64",
        "F16, 257, 192, 48, 264",
    })
    void agreesWithDoublePrecision(DType dtype, int rows, int in, int rank, String layers) {
        try (Device device = TestDevice.open()) {
            Problem p = new Problem(device, dtype, rows, in, rank, layers);
            checkForward(device, p);
            checkBackward(device, p, true, true);
            checkBackward(device, p, true, false);
            checkBackward(device, p, false, true);
        }
    }

    private static void checkForward(Device device, Problem p) {
        Tensor y = TestMatrix.poisoned(device, p.dtype, p.rows, p.out, 8);
        double[][] base = TestMatrix.product(
                TestMatrix.read(p.inputs(p.x)), TestMatrix.transpose(TestMatrix.read(p.inputs(p.weight))), 1, null);
        double[][] expected = TestMatrix.product(TestMatrix.read(p.t), TestMatrix.transpose(p.b()), 1, base);
        device.ops().loraLinear().forward(p.x, p.weight, p.t, p.updates, y);
        TestMatrix.assertClose(y, expected, p.tolerance());
        TestMatrix.assertGapsUntouched(y);
        int[] bits = TestMatrix.bits(y);
        device.ops().loraLinear().forward(p.x, p.weight, p.t, p.updates, y);
        assertThat(TestMatrix.bits(y)).isEqualTo(bits);
    }

    private static void checkBackward(Device device, Problem p, boolean inputGradient, boolean lowRank) {
        Tensor dx = TestMatrix.poisoned(device, p.dtype, p.rows, p.in + p.width(), 8);
        Tensor dt = dx.colRange(p.in, p.in + p.width());
        List<double[][]> gradB = new ArrayList<>();
        for (int i = 0; i < p.updates.size(); i++) {
            Update update = p.updates.get(i);
            double[][] t = TestMatrix.read(p.t.colRange((long) i * p.rank, (i + 1L) * p.rank));
            double[][] dy = TestMatrix.read(update.output(p.dy));
            gradB.add(TestMatrix.product(
                    TestMatrix.transpose(dy),
                    t,
                    1,
                    TestMatrix.read(update.gradB().first())));
        }
        LoraLinear operation = device.ops().loraLinear();
        Tensor weight = inputGradient ? p.weight : null;
        operation.backward(p.dy, weight, p.t, p.updates, SCALING, lowRank ? TensorStack.of(p.a) : null, dx);
        TestMatrix.assertClose(dt, TestMatrix.product(TestMatrix.read(p.dy), p.b(), SCALING, null), 2 * p.tolerance());
        for (int i = 0; i < p.updates.size(); i++) {
            TestMatrix.assertClose(p.updates.get(i).gradB().first(), gradB.get(i), 1e-5);
        }
        if (inputGradient) {
            double[][] base = TestMatrix.product(TestMatrix.read(p.dy), TestMatrix.read(p.inputs(p.weight)), 1, null);
            // of dt as it was rounded
            double[][] whole = lowRank ? TestMatrix.product(TestMatrix.read(dt), TestMatrix.read(p.a), 1, base) : base;
            TestMatrix.assertClose(p.inputs(dx), whole, 2 * p.tolerance());
        }
        TestMatrix.assertGapsUntouched(dx);
    }
}
