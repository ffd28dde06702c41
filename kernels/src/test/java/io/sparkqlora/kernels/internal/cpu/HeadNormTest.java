// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.HeadNorm;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A head alone is a row of {@link io.sparkqlora.kernels.RmsNorm}'s, whose tests hold its formulas against slopes. */
class HeadNormTest {

    private static final float EPS = 1e-5f;

    /** Rows, heads, elements of a head. */
    private static final List<int[]> SIZES = List.of(
            new int[] {1, 1, 1}, new int[] {3, 5, 7}, new int[] {9, 4, 128}, new int[] {2, 3, 256}, new int[] {2, 2, 80
            });

    private final Device device = TestDevice.open();
    private final HeadNorm ops = device.ops().headNorm();

    @AfterEach
    void close() {
        device.close();
    }

    static Stream<Arguments> shapes() {
        return Stream.of(DType.F32, DType.BF16, DType.F16)
                .flatMap(dtype -> Stream.of(false, true).flatMap(strided -> SIZES.stream()
                        .map(size -> Arguments.of(dtype, strided, size[0], size[1], size[2]))));
    }

    private static double rstd(double[] x, int start, int n) {
        double sum = 0;
        for (int i = start; i < start + n; i++) {
            sum += x[i] * x[i];
        }
        return 1 / Math.sqrt(sum / n + EPS);
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void forward(DType dtype, boolean strided, int rows, int heads, int n) {
        for (boolean inPlace : new boolean[] {false, true}) {
            for (float offset : new float[] {0f, 1f}) {
                Matrix x =
                        Shapes.matrix(device, dtype, strided, rows, heads * n).random(1, 2);
                Matrix weight = Matrix.contiguous(device, DType.F32, 1, n).random(2, 1);
                Matrix y = inPlace ? x : Matrix.strided(device, dtype, rows, heads * n);
                double[][] in = x.values();
                double[] w = weight.values()[0];
                ops.forward(x.tensor, weight.tensor, offset, EPS, y.tensor);
                y.assertNear(
                        Shapes.reference(
                                rows, heads * n, (r, c) -> in[r][c] * rstd(in[r], c / n * n, n) * (w[c % n] + offset)),
                        "normalised");
            }
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void backward(DType dtype, boolean strided, int rows, int heads, int n) {
        for (boolean inPlace : new boolean[] {false, true}) {
            Matrix x = Shapes.matrix(device, dtype, strided, rows, heads * n).random(1, 2);
            Matrix dy = Shapes.matrix(device, dtype, strided, rows, heads * n).random(2, 1);
            Matrix weight = Matrix.contiguous(device, DType.BF16, 1, n).random(3, 1);
            Matrix dx = inPlace ? dy : Matrix.strided(device, dtype, rows, heads * n);
            double[][] in = x.values();
            double[][] d = dy.values();
            double[] w = weight.values()[0];
            ops.backward(dy.tensor, x.tensor, weight.tensor, 1f, EPS, dx.tensor);
            dx.assertNear(
                    Shapes.reference(rows, heads * n, (r, c) -> gradient(d[r], in[r], w, c / n * n, c % n)),
                    1,
                    "gradient");
        }
    }

    private static double gradient(double[] dy, double[] x, double[] weight, int start, int i) {
        int n = weight.length;
        double rstd = rstd(x, start, n);
        double mean = 0;
        for (int j = 0; j < n; j++) {
            mean += dy[start + j] * (weight[j] + 1) * x[start + j] / n;
        }
        return rstd * (dy[start + i] * (weight[i] + 1) - x[start + i] * rstd * rstd * mean);
    }

    @Test
    void refusesRowsThatAreNoHeads() {
        Matrix x = Matrix.contiguous(device, DType.F32, 3, 10);
        Matrix weight = Matrix.contiguous(device, DType.F32, 1, 4);
        assertThatThrownBy(() -> ops.forward(x.tensor, weight.tensor, 0f, EPS, x.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rows of 10 are no heads of 4");
    }
}
