// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Elementwise;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ElementwiseTest {

    private static final String SHAPES = "io.sparkqlora.kernels.internal.cpu.Shapes#all";

    private final Device device = TestDevice.open();
    private final Elementwise ops = device.ops().elementwise();

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @MethodSource(SHAPES)
    void castsToEachType(DType dtype, boolean strided, int rows, int cols) {
        Matrix source = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 3);
        for (DType to : new DType[] {DType.F32, DType.BF16, DType.F16}) {
            Matrix out = Matrix.strided(device, to, rows, cols);
            ops.cast(source.tensor, out.tensor);
            double[][] x = source.values();
            out.assertNear(x, "cast");
            if (to == dtype || to == DType.F32) {
                assertThat(out.values()).isDeepEqualTo(x);
            }
        }
    }

    @Test
    void castsFromF16() {
        Matrix source = Matrix.contiguous(device, DType.F16, 1, 6);
        short[] halves = {0x3c00, (short) 0xc000, 0x0001, 0x7bff, (short) 0x8000, 0x7c00};
        Native.store(halves, 0, 6, source.tensor.address());
        Matrix out = Matrix.contiguous(device, DType.F32, 1, 6);
        ops.cast(source.tensor, out.tensor);
        float[] values = new float[6];
        Native.load(out.tensor.address(), values, 0, 6);
        assertThat(values).containsExactly(1f, -2f, 0x1p-24f, 65504f, -0f, Float.POSITIVE_INFINITY);
    }

    @ParameterizedTest
    @MethodSource(SHAPES)
    void addsIntoEitherOperandOrAnother(DType dtype, boolean strided, int rows, int cols) {
        for (int target = 0; target < 3; target++) {
            Matrix a = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
            Matrix b = Shapes.matrix(device, dtype, !strided, rows, cols).random(2, 2);
            Matrix out = target == 0 ? a : target == 1 ? b : Matrix.strided(device, dtype, rows, cols);
            double[][] x = a.values();
            double[][] y = b.values();
            ops.add(a.tensor, b.tensor, out.tensor);
            out.assertNear(Shapes.reference(rows, cols, (r, c) -> x[r][c] + y[r][c]), "sum");
        }
    }

    @ParameterizedTest
    @MethodSource(SHAPES)
    void addsABiasToEachRow(DType dtype, boolean strided, int rows, int cols) {
        Matrix out = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
        Matrix bias = Matrix.contiguous(device, DType.F32, 1, cols).random(2, 2);
        double[][] x = out.values();
        double[][] b = bias.values();
        ops.addBias(out.tensor, bias.tensor);
        out.assertNear(Shapes.reference(rows, cols, (r, c) -> x[r][c] + b[0][c]), "bias");
    }

    @ParameterizedTest
    @MethodSource(SHAPES)
    void scales(DType dtype, boolean strided, int rows, int cols) {
        Matrix source = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 2);
        double[][] x = source.values();
        double[][] expected = Shapes.reference(rows, cols, (r, c) -> x[r][c] * -0.75);
        Matrix other = Matrix.strided(device, DType.F32, rows, cols);
        ops.scale(source.tensor, -0.75f, other.tensor);
        other.assertNear(expected, "scaled elsewhere");
        ops.scale(source.tensor, -0.75f, source.tensor);
        source.assertNear(expected, "scaled in place");
    }

    @ParameterizedTest
    @MethodSource(SHAPES)
    void capsSoftly(DType dtype, boolean strided, int rows, int cols) {
        Matrix source = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 20);
        double[][] x = source.values();
        double[][] expected = Shapes.reference(rows, cols, (r, c) -> 15 * Math.tanh(x[r][c] / 15));
        Matrix other = Matrix.strided(device, DType.F32, rows, cols);
        ops.softCap(source.tensor, 15f, other.tensor);
        other.assertNear(expected, "capped elsewhere");
        ops.softCap(source.tensor, 15f, source.tensor);
        source.assertNear(expected, "capped in place");
    }

    @Test
    void zeroesItsRowsOnly() {
        for (DType dtype : new DType[] {DType.F32, DType.BF16, DType.F16, DType.F64, DType.U8}) {
            Matrix out = Matrix.strided(device, dtype, 3, 70);
            ops.zero(out.tensor);
            out.assertGapsUntouched();
            for (int r = 0; r < 3; r++) {
                for (long at = out.tensor.address(r); at < out.tensor.address(r) + 70L * dtype.bytes(); at++) {
                    assertThat(Native.getByte(at)).isZero();
                }
            }
        }
    }

    @Test
    void refusesOtherShapes() {
        Matrix a = Matrix.contiguous(device, DType.F32, 3, 4);
        Matrix b = Matrix.contiguous(device, DType.F32, 4, 3);
        assertThatThrownBy(() -> ops.add(a.tensor, b.tensor, a.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("3×4 is needed, not of 4×3");
    }
}
