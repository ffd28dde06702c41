// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.DroppedLora.Masks;
import io.sparkqlora.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Low-rank updates with dropout against float64, and their masks bit by bit. */
class DroppedLoraTest {

    private static final long SEED = -77;
    private static final long STREAM_BASE = 3L << 40;

    private final Device device = TestDevice.open();
    private final DroppedLora ops = device.ops().droppedLora();
    private final Random random = new Random(8);

    @AfterEach
    void close() {
        device.close();
    }

    private Masks masks(float p, int layers) {
        Matrix base = Matrix.contiguous(device, DType.I64, 1, 1);
        Native.putLong(base.tensor.address(), STREAM_BASE);
        List<Integer> streams = new ArrayList<>();
        for (int i = 0; i < layers; i++) {
            streams.add(5 + 3 * i);
        }
        return new Masks(p, SEED, base.tensor, streams);
    }

    private static double[][] dropped(double[][] x, Masks masks, int layer) {
        double q = TestMasks.rate(masks.p());
        long stream = STREAM_BASE + masks.streams().get(layer);
        return Shapes.reference(
                x.length,
                x[0].length,
                (r, c) -> TestMasks.kept((long) r * x[0].length + c, masks.p(), SEED, stream) ? x[r][c] / (1 - q) : 0);
    }

    private Tensor scratch(DType dtype, int cols) {
        return TestMatrix.poisoned(device, dtype, 48, cols, 8);
    }

    private static double tolerance(DType dtype) {
        return TestMatrix.tolerance(dtype, 4e-3);
    }

    @ParameterizedTest
    @CsvSource({
        // rows, inputs, rank, layers, probability
        "F32, 33, 24, 4, 2, 0.3",
        "BF16, 70, 43, 5, 2, 0.5",
        "BF16, 50, 72, 12, 1, 0.05",
        "BF16, 70, 40, 8, 2, 0.5",
        "BF16, 33, 264, 16, 3, 0.05",
        "BF16, 300, 584, 16, 1, 0.4",
        "BF16, 129, 520, 24, 3, 0.25",
        "BF16, 200, 136, 32, 4, 0.5",
        "BF16, 96, 320, 64, 2, 0.125",
        "BF16, 40, 64, 72, 2, 0.5",
        "BF16, 1, 8, 16, 3, 0.5",
        "F16, 70, 43, 5, 2, 0.5",
        "F16, 129, 520, 24, 3, 0.25",
    })
    void agreesWithDoublePrecision(DType dtype, int rows, int in, int rank, int layers, float p) {
        Masks masks = masks(p, layers);
        Tensor x = TestMatrix.random(device, dtype, rows, in, 16, random);
        Tensor a = TestMatrix.random(device, dtype, layers * rank, in, 0, random);
        Tensor dt = TestMatrix.random(device, dtype, rows, layers * rank, 8, random);
        checkProject(x, a, masks, rank);
        checkGradient(dt, x, masks, rank);
        checkAdd(dt, a, masks, rank);
    }

    private void checkProject(Tensor x, Tensor a, Masks masks, int rank) {
        Tensor t = TestMatrix.poisoned(device, x.dtype(), (int) x.rows(), (int) a.rows(), 8);
        ops.project(x, a, 1.5f, masks, scratch(x.dtype(), (int) x.cols()), t);
        for (int i = 0; i < masks.streams().size(); i++) {
            double[][] own = TestMatrix.read(a.rowRange((long) i * rank, (i + 1L) * rank));
            double[][] expected =
                    TestMatrix.product(dropped(TestMatrix.read(x), masks, i), TestMatrix.transpose(own), 1.5, null);
            TestMatrix.assertClose(t.colRange((long) i * rank, (i + 1L) * rank), expected, tolerance(x.dtype()));
        }
        TestMatrix.assertGapsUntouched(t);
        int[] bits = TestMatrix.bits(t);
        ops.project(x, a, 1.5f, masks, scratch(x.dtype(), (int) x.cols()), t);
        assertThat(TestMatrix.bits(t)).isEqualTo(bits);
    }

    private void checkGradient(Tensor dt, Tensor x, Masks masks, int rank) {
        Tensor gradA = TestMatrix.random(device, DType.F32, (int) dt.cols(), (int) x.cols(), 0, random);
        double[][] before = TestMatrix.read(gradA);
        ops.gradientOfA(dt, x, masks, scratch(x.dtype(), (int) x.cols()), gradA);
        for (int i = 0; i < masks.streams().size(); i++) {
            double[][] own = TestMatrix.read(dt.colRange((long) i * rank, (i + 1L) * rank));
            double[][] plus = new double[rank][];
            System.arraycopy(before, i * rank, plus, 0, rank);
            double[][] expected =
                    TestMatrix.product(TestMatrix.transpose(own), dropped(TestMatrix.read(x), masks, i), 1, plus);
            Tensor got = gradA.rowRange((long) i * rank, (i + 1L) * rank);
            TestMatrix.assertClose(got, expected, tolerance(x.dtype()));
        }
    }

    private void checkAdd(Tensor dt, Tensor a, Masks masks, int rank) {
        int rows = (int) dt.rows();
        int in = (int) a.cols();
        Tensor dx = TestMatrix.random(device, dt.dtype(), rows, in, 8, random);
        double[][] expected = TestMatrix.read(dx);
        for (int i = 0; i < masks.streams().size(); i++) {
            double[][] own = TestMatrix.read(dt.colRange((long) i * rank, (i + 1L) * rank));
            double[][] ownA = TestMatrix.read(a.rowRange((long) i * rank, (i + 1L) * rank));
            double[][] through = dropped(TestMatrix.product(own, ownA, 1, null), masks, i);
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < in; c++) {
                    expected[r][c] += through[r][c];
                }
            }
        }
        ops.addDropped(dt, a, masks, scratch(dt.dtype(), in), dx);
        TestMatrix.assertClose(dx, expected, 2 * tolerance(dt.dtype()));
        TestMatrix.assertGapsUntouched(dx);
    }

    /** Operands of ones, so that each result is a mask: every bit of it is what the contract says, in all three. */
    @ParameterizedTest
    @CsvSource({
        "F32, 40, 30, 4",
        "BF16, 70, 43, 5",
        "BF16, 70, 168, 8",
        "BF16, 130, 584, 16",
        "BF16, 48, 72, 40",
        "F16, 70, 168, 8"
    })
    void drawsTheSameMaskEverywhere(DType dtype, int rows, int in, int rank) {
        Masks masks = masks(0.5f, 2);
        Tensor x = filled(dtype, rows, in, (r, c) -> 1);
        for (int layer = 0; layer < 2; layer++) {
            int n = layer * rank + rank - 1;
            double[][] mask = dropped(TestMatrix.read(x), masks, layer);
            Tensor one = filled(dtype, rows, 2 * rank, (r, c) -> c == n ? 1 : 0);
            Tensor ones = filled(dtype, 2 * rank, in, (r, c) -> 1);
            Tensor zeros = filled(dtype, rows, in, (r, c) -> 0);
            ops.addDropped(one, ones, masks, scratch(dtype, in), zeros);
            assertThat(TestMatrix.read(zeros)).isDeepEqualTo(mask);
            for (int at = 0; at < rows; at += rank) {
                checkRows(masks, x, mask, layer, at, rank);
            }
            for (int at = 0; at < in; at += rank) {
                checkColumns(masks, x, mask, layer, at, rank);
            }
        }
    }

    private Tensor filled(DType dtype, int rows, int cols, Shapes.Reference value) {
        Matrix matrix = Matrix.contiguous(device, dtype, rows, cols);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < cols; c++) {
                matrix.set(r, c, (float) value.at(r, c));
            }
        }
        return matrix.tensor;
    }

    private void checkRows(Masks masks, Tensor x, double[][] mask, int layer, int at, int rank) {
        int rows = (int) x.rows();
        Tensor dt = filled(x.dtype(), rows, 2 * rank, (r, c) -> r == at + c - layer * rank ? 1 : 0);
        Tensor gradA = filled(DType.F32, 2 * rank, (int) x.cols(), (r, c) -> 0);
        ops.gradientOfA(dt, x, masks, scratch(x.dtype(), (int) x.cols()), gradA);
        double[][] got = TestMatrix.read(gradA);
        for (int n = 0; n < rank && at + n < rows; n++) {
            assertThat(got[layer * rank + n]).as("row %d", at + n).isEqualTo(mask[at + n]);
        }
    }

    private void checkColumns(Masks masks, Tensor x, double[][] mask, int layer, int at, int rank) {
        int in = (int) x.cols();
        Tensor a = filled(x.dtype(), 2 * rank, in, (r, c) -> c == at + r - layer * rank ? 1 : 0);
        Tensor t = filled(x.dtype(), (int) x.rows(), 2 * rank, (r, c) -> 0);
        ops.project(x, a, 1f, masks, scratch(x.dtype(), in), t);
        double[][] got = TestMatrix.read(t);
        for (int n = 0; n < rank && at + n < in; n++) {
            for (int r = 0; r < got.length; r++) {
                assertThat(got[r][layer * rank + n])
                        .as("row %d, column %d", r, at + n)
                        .isEqualTo(mask[r][at + n]);
            }
        }
    }

    @Test
    void refusesColumnsThatDontDivideAmongTheLayers() {
        Tensor x = TestMatrix.random(device, DType.BF16, 4, 8, 0, random);
        Tensor a = TestMatrix.random(device, DType.BF16, 3, 8, 0, random);
        Tensor t = TestMatrix.random(device, DType.BF16, 4, 3, 0, random);
        assertThatThrownBy(() -> ops.project(x, a, 1f, masks(0.5f, 2), x, t))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("3 low-rank columns can't be those of 2 layers");
    }
}
