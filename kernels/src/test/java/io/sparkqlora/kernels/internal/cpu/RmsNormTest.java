// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.RmsNorm;
import io.sparkqlora.kernels.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RmsNormTest {

    private static final float EPS = 1e-5f;

    private final Device device = TestDevice.open();
    private final RmsNorm ops = device.ops().rmsNorm();

    @AfterEach
    void close() {
        device.close();
    }

    private static double rstd(double[] x) {
        double sum = 0;
        for (double v : x) {
            sum += v * v;
        }
        return 1 / Math.sqrt(sum / x.length + EPS);
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void forward(DType dtype, boolean strided, int rows, int cols) {
        for (boolean inPlace : new boolean[] {false, true}) {
            for (float offset : new float[] {0f, 1f}) {
                Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
                Matrix weight = Matrix.contiguous(device, DType.BF16, 1, cols).random(2, 1);
                Matrix rstd = Matrix.contiguous(device, DType.F32, 1, rows);
                Matrix y = inPlace ? x : Matrix.strided(device, dtype, rows, cols);
                double[][] in = x.values();
                double[][] w = weight.values();
                ops.forward(x.tensor, weight.tensor, offset, EPS, y.tensor, rstd.tensor);
                y.assertNear(
                        Shapes.reference(rows, cols, (r, c) -> in[r][c] * rstd(in[r]) * (w[0][c] + offset)),
                        "normalised");
                rstd.assertNear(Shapes.reference(1, rows, (r, c) -> rstd(in[c])), "rstd");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void backward(DType dtype, boolean strided, int rows, int cols) {
        for (int aliased = 0; aliased < 3; aliased++) {
            Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
            Matrix dy = Shapes.matrix(device, dtype, strided, rows, cols).random(2, 1);
            Matrix weight = Matrix.contiguous(device, DType.F32, 1, cols).random(3, 1);
            Matrix addTo = Shapes.matrix(device, dtype, strided, rows, cols).random(4, 1);
            Matrix rstd = Matrix.contiguous(device, DType.F32, 1, rows);
            double[][] in = x.values();
            for (int r = 0; r < rows; r++) {
                rstd.set(0, r, (float) rstd(in[r]));
            }
            double[][] expected = gradient(dy.values(), in, weight.values()[0], aliased == 0 ? null : addTo.values());
            Matrix dx = aliased == 0 ? dy : aliased == 1 ? addTo : Matrix.strided(device, dtype, rows, cols);
            Tensor more = aliased == 0 ? null : addTo.tensor;
            Matrix y = Matrix.strided(device, dtype, rows, cols);
            Matrix again = aliased == 0 ? null : Matrix.strided(device, dtype, rows, cols);
            Tensor wanted = again == null ? null : again.tensor;
            ops.forward(x.tensor, weight.tensor, 0f, EPS, y.tensor, rstd.tensor);
            ops.backward(dy.tensor, x.tensor, weight.tensor, 0f, rstd.tensor, more, dx.tensor, wanted);
            dx.assertNear(expected, 1, "gradient");
            if (again != null) {
                assertThat(again.values()).as("forward's bits").isDeepEqualTo(y.values());
                again.assertGapsUntouched();
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void addingAndNormalisingAtOnceGivesTheBitsOfBoth(DType dtype, boolean strided, int rows, int cols) {
        for (int aliased = 0; aliased < 3; aliased++) {
            Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
            Matrix addTo = Shapes.matrix(device, dtype, !strided, rows, cols).random(2, 1);
            Matrix weight = Matrix.contiguous(device, DType.F32, 1, cols).random(3, 1);
            Matrix rstd = Matrix.contiguous(device, DType.F32, 1, rows);
            Matrix expectedSum = Matrix.strided(device, dtype, rows, cols);
            Matrix expected = Matrix.strided(device, dtype, rows, cols);
            device.ops().elementwise().add(x.tensor, addTo.tensor, expectedSum.tensor);
            ops.forward(expectedSum.tensor, weight.tensor, 0f, EPS, expected.tensor, rstd.tensor);
            double[][] scales = rstd.values();
            Matrix sum = aliased == 0 ? x : aliased == 1 ? addTo : Matrix.strided(device, dtype, rows, cols);
            Matrix y = Matrix.strided(device, dtype, rows, cols);
            ops.addForward(x.tensor, addTo.tensor, sum.tensor, weight.tensor, 0f, EPS, y.tensor, rstd.tensor);
            assertThat(sum.values()).as("sum").isDeepEqualTo(expectedSum.values());
            assertThat(y.values()).as("normalised").isDeepEqualTo(expected.values());
            assertThat(rstd.values()).as("rstd").isDeepEqualTo(scales);
            y.assertGapsUntouched();
        }
    }

    private static double[][] gradient(double[][] dy, double[][] x, double[] weight, double[][] addTo) {
        int n = weight.length;
        double[][] dx = new double[x.length][n];
        for (int r = 0; r < x.length; r++) {
            double rstd = rstd(x[r]);
            double mean = 0;
            for (int c = 0; c < n; c++) {
                mean += dy[r][c] * weight[c] * x[r][c] / n;
            }
            for (int c = 0; c < n; c++) {
                dx[r][c] = rstd * (dy[r][c] * weight[c] - x[r][c] * rstd * rstd * mean);
                dx[r][c] += addTo == null ? 0 : addTo[r][c];
            }
        }
        return dx;
    }

    @Test
    void theGradientIsTheSlope() {
        double h = 1e-5;
        double[] x = {0.3, -1.2, 0.7};
        double[] w = {1.1, 0.4, -0.6};
        double[][] dx = gradient(new double[][] {{1, 2, 3}}, new double[][] {x}, w, null);
        for (int i = 0; i < 3; i++) {
            double[] up = x.clone();
            double[] down = x.clone();
            up[i] += h;
            down[i] -= h;
            assertThat(dx[0][i]).isCloseTo((f(up, w) - f(down, w)) / (2 * h), offset(1e-6));
        }
    }

    private static double f(double[] x, double[] w) {
        double rstd = rstd(x);
        return rstd * (x[0] * w[0] + 2 * x[1] * w[1] + 3 * x[2] * w[2]);
    }
}
