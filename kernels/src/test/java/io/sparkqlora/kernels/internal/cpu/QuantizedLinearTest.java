// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Linear layers of 4-bit weights against float64 on the dequantised weights. */
class QuantizedLinearTest {

    private static final float SCALING = 1.5f;

    /** Layers side by side, of which some have an update; none has if the rank is 0. */
    private static final class Problem {
        final Random random = new Random(12);
        final DType dtype;
        final int in;
        final int rank;
        final List<QuantizedMatrix> weight = new ArrayList<>();
        final List<Update> updates = new ArrayList<>();
        final double[][] dense;
        final double[][] b;
        final Tensor scratch;
        final Tensor x;
        final Tensor t;
        final Tensor a;
        final Tensor dy;

        Problem(Device device, DType dtype, int rows, int in, int rank, String layers) {
            this.dtype = dtype;
            this.in = in;
            this.rank = rank;
            List<double[][]> parts = new ArrayList<>();
            int from = 0;
            for (String layer : layers.split(" ")) {
                int size = Math.abs(Integer.parseInt(layer));
                parts.add(addLayer(device, size));
                if (rank > 0 && !layer.startsWith("-")) {
                    Tensor factor = TestMatrix.random(device, dtype, size, rank, 0, random);
                    updates.add(new Update(from, factor, TestMatrix.random(device, DType.F32, size, rank, 0, random)));
                }
                from += size;
            }
            dense = parts.stream().flatMap(Arrays::stream).toArray(double[][]::new);
            b = TestUpdates.matrix(updates, from, rank);
            scratch = TestMatrix.poisoned(device, dtype, from, in + width(), 8);
            x = TestMatrix.poisoned(device, dtype, rows, in + width(), 8);
            Tensor values = TestMatrix.random(device, dtype, rows, in, 0, random);
            device.ops().elementwise().cast(values, x.colRange(0, in));
            t = rank == 0 ? null : TestMatrix.random(device, dtype, rows, width(), 8, random);
            a = rank == 0 ? null : TestMatrix.random(device, dtype, width(), in, 0, random);
            dy = TestMatrix.random(device, dtype, rows, from, 16, random);
        }

        /** The weight as a device dequantises it in the type of the product. */
        private double[][] addLayer(Device device, int size) {
            QuantizedMatrix matrix =
                    Quantized.allocate(device, new QuantFormat(QuantFormat.Type.NF4, 64, true), size, in);
            device.ops().quantization().quantize(TestMatrix.random(device, DType.F32, size, in, 0, random), matrix);
            weight.add(matrix);
            Tensor out = TestMatrix.poisoned(device, dtype, size, in, 0);
            device.ops().quantization().dequantize(matrix, out);
            return TestMatrix.read(out);
        }

        int width() {
            return updates.size() * rank;
        }

        double tolerance() {
            return TestMatrix.tolerance(dtype, 3e-3);
        }
    }

    @ParameterizedTest
    @CsvSource({
        // rows, inputs, rank, layers (without an update: negative); over 1024 rows the weight is dequantised as a whole
        "F32, 33, 24, 4, 20 -8 12",
        "F32, 20, 192, 8, 130 70",
        "BF16, 70, 40, 5, 17 9",
        "BF16, 1, 128, 16, 64",
        "BF16, 100, 256, 8, 136 -64 600",
        "BF16, 64, 320, 16, 1100 64 64",
        "BF16, 90, 640, 0, 200 40",
        "BF16, 70, 128, 5, 2050 60",
        "BF16, 3, 2112, 24, 130 6",
        "BF16, 1030, 128, 16, 64 70",
        "BF16, 1025, 64, 0, 64",
        "F16, 70, 40, 5, 17 9",
        "F16, 100, 256, 8, 136 -64 600",
        "F16, 90, 640, 0, 200 40",
        "F16, 1030, 128, 16, 64 70",
    })
    void agreesWithDoublePrecision(DType dtype, int rows, int in, int rank, String layers) {
        try (Device device = TestDevice.open()) {
            Problem p = new Problem(device, dtype, rows, in, rank, layers);
            checkForward(device, p);
            checkBackward(device, p, true);
            if (rank > 0) {
                checkBackward(device, p, false);
            }
        }
    }

    private static void checkForward(Device device, Problem p) {
        Tensor y = TestMatrix.poisoned(device, p.dtype, (int) p.x.rows(), p.dense.length, 8);
        double[][] expected =
                TestMatrix.product(TestMatrix.read(p.x.colRange(0, p.in)), TestMatrix.transpose(p.dense), 1, null);
        if (p.rank > 0) {
            expected = TestMatrix.product(TestMatrix.read(p.t), TestMatrix.transpose(p.b), 1, expected);
        }
        device.ops().quantizedLinear().forward(p.x, p.weight, p.scratch, p.t, p.updates, y);
        TestMatrix.assertClose(y, expected, p.tolerance());
        TestMatrix.assertGapsUntouched(y);
        int[] bits = TestMatrix.bits(y);
        device.ops().quantizedLinear().forward(p.x, p.weight, p.scratch, p.t, p.updates, y);
        assertThat(TestMatrix.bits(y)).isEqualTo(bits);
    }

    private static void checkBackward(Device device, Problem p, boolean lowRank) {
        Tensor dx = TestMatrix.poisoned(device, p.dtype, (int) p.dy.rows(), p.in + p.width(), 8);
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
        Tensor a = lowRank ? p.a : null;
        TensorStack stack = a == null ? null : TensorStack.of(a);
        device.ops().quantizedLinear().backward(p.dy, p.weight, p.scratch, p.t, p.updates, SCALING, stack, dx);
        double[][] expected = TestMatrix.product(TestMatrix.read(p.dy), p.dense, 1, null);
        if (p.rank > 0) {
            Tensor dt = dx.colRange(p.in, p.in + p.width());
            TestMatrix.assertClose(
                    dt, TestMatrix.product(TestMatrix.read(p.dy), p.b, SCALING, null), 2 * p.tolerance());
            // of dt as it was rounded
            expected = a == null ? expected : TestMatrix.product(TestMatrix.read(dt), TestMatrix.read(a), 1, expected);
        }
        TestMatrix.assertClose(dx.colRange(0, p.in), expected, 2 * p.tolerance());
        for (int i = 0; i < p.updates.size(); i++) {
            TestMatrix.assertClose(p.updates.get(i).gradB().first(), gradB.get(i), 1e-5);
        }
        TestMatrix.assertGapsUntouched(dx);
    }
}
