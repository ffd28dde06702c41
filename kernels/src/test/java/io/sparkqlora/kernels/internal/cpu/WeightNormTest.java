// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.WeightNorm;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class WeightNormTest {

    /** More rows than a run of the CPU's or a piece of a GPU's has, and more columns than go to one thread. */
    private static final List<int[]> TALL =
            List.of(new int[] {1, 1}, new int[] {65, 7}, new int[] {1100, 72}, new int[] {3, 600});

    private final Device device = TestDevice.open();
    private final WeightNorm ops = device.ops().weightNorm();

    @AfterEach
    void close() {
        device.close();
    }

    static Stream<Arguments> shapes() {
        return Shapes.all();
    }

    static Stream<Arguments> tall() {
        return Stream.of(DType.F32, DType.BF16).flatMap(dtype -> Stream.of(false, true)
                .flatMap(strided -> TALL.stream().map(size -> Arguments.of(dtype, strided, size[0], size[1]))));
    }

    private Matrix vector(int size, long seed) {
        Matrix vector = Matrix.contiguous(device, DType.F32, 1, size).random(seed, 1);
        for (int i = 0; i < size; i++) {
            vector.set(0, i, 0.5f + Math.abs(vector.get(0, i)));
        }
        return vector;
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void normsOfRows(DType dtype, boolean strided, int rows, int cols) {
        Matrix w = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 3);
        Matrix norms = Matrix.contiguous(device, DType.F32, 1, rows);
        ops.rowNorms(w.tensor, norms.tensor);
        double[][] x = w.values();
        norms.assertNear(Shapes.reference(1, rows, (r, i) -> norm(x[i])), "norms");
    }

    private static double norm(double[] row) {
        double sum = 0;
        for (double x : row) {
            sum += x * x;
        }
        return Math.sqrt(sum);
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void factorsOfColumnsAndRows(DType dtype, boolean strided, int rows, int cols) {
        for (boolean inPlace : new boolean[] {false, true}) {
            Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
            Matrix y = inPlace ? x : Matrix.strided(device, dtype, rows, cols);
            Matrix factors = vector(cols, 2);
            double[][] in = x.values();
            double[] f = factors.values()[0];
            ops.scaleColumns(x.tensor, factors.tensor, 0f, false, y.tensor);
            y.assertNear(Shapes.reference(rows, cols, (r, c) -> in[r][c] * f[c]), "scaled");
        }
        Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(3, 2);
        Matrix y = Matrix.strided(device, dtype, rows, cols).random(4, 2);
        Matrix factors = vector(cols, 2);
        double[][] in = x.values();
        double[][] before = y.values();
        double[] f = factors.values()[0];
        ops.scaleColumns(x.tensor, factors.tensor, -1f, true, y.tensor);
        y.assertNear(Shapes.reference(rows, cols, (r, c) -> before[r][c] + in[r][c] * (f[c] - 1)), 10, "added");
        Matrix ofRows = vector(rows, 5);
        double[] g = ofRows.values()[0];
        ops.scaleRows(x.tensor, ofRows.tensor);
        x.assertNear(Shapes.reference(rows, cols, (r, c) -> in[r][c] * g[r]), "scaled rows");
    }

    @ParameterizedTest
    @MethodSource("tall")
    void theGradientOfMagnitudesIsAdded(DType dtype, boolean strided, int rows, int cols) {
        Matrix dy = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 1);
        Matrix u = Shapes.matrix(device, dtype, strided, rows, cols).random(2, 2);
        Matrix norms = vector(cols, 3);
        Matrix gradient = Matrix.contiguous(device, DType.F32, 1, cols).random(4, 1);
        double[][] d = dy.values();
        double[][] x = u.values();
        double[] n = norms.values()[0];
        double[] before = gradient.values()[0];
        ops.gradient(dy.tensor, u.tensor, norms.tensor, gradient.tensor);
        gradient.assertNear(
                Shapes.reference(1, cols, (r, c) -> before[c] + column(d, x, c) / n[c]), Math.sqrt(rows), "gradient");
        byte[] once = gradient.bytes();
        for (int c = 0; c < cols; c++) {
            gradient.set(0, c, (float) before[c]);
        }
        ops.gradient(dy.tensor, u.tensor, norms.tensor, gradient.tensor);
        assertThat(gradient.bytes()).as("again").isEqualTo(once);
    }

    @ParameterizedTest
    @MethodSource("tall")
    void theGradientOfABiasIsAdded(DType dtype, boolean strided, int rows, int cols) {
        Matrix dy = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 1);
        Matrix sums = Matrix.contiguous(device, DType.F32, 1, cols).random(4, 1);
        double[][] d = dy.values();
        double[] before = sums.values()[0];
        device.ops().elementwise().addColumnSums(dy.tensor, sums.tensor);
        double[][] ones = Shapes.reference(rows, cols, (r, c) -> 1);
        sums.assertNear(
                Shapes.reference(1, cols, (r, c) -> before[c] + column(d, ones, c)),
                Math.sqrt(rows),
                "sums of columns");
    }

    private static double column(double[][] dy, double[][] u, int col) {
        double sum = 0;
        for (int r = 0; r < dy.length; r++) {
            sum += dy[r][col] * u[r][col];
        }
        return sum;
    }

    @Test
    void magnitudesByNorms() {
        Matrix magnitude = Matrix.contiguous(device, DType.F32, 1, 3001).random(1, 1);
        Matrix norms = vector(3001, 2);
        Matrix quotient = Matrix.contiguous(device, DType.F32, 1, 3001);
        ops.divide(magnitude.tensor, norms.tensor, quotient.tensor);
        for (int i = 0; i < 3001; i++) {
            assertThat(quotient.get(0, i)).isEqualTo(magnitude.get(0, i) / norms.get(0, i));
        }
    }

    @Test
    void refusesVectorsOfAnotherSize() {
        Matrix x = Matrix.contiguous(device, DType.F32, 3, 10);
        Matrix vector = Matrix.contiguous(device, DType.F32, 1, 4);
        assertThatThrownBy(() -> ops.scaleColumns(x.tensor, vector.tensor, 0f, false, x.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a vector of 10 F32 is needed, not of 4 F32");
    }
}
