// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.GatedActivation;
import io.sparkqlora.kernels.GatedActivation.Kind;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GatedActivationTest {

    private final Device device = TestDevice.open();
    private final GatedActivation ops = device.ops().gatedActivation();

    @AfterEach
    void close() {
        device.close();
    }

    private static double f(Kind kind, double x) {
        return switch (kind) {
            case SILU -> x / (1 + Math.exp(-x));
            case GELU_TANH -> 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
        };
    }

    private static double slope(Kind kind, double x) {
        double h = 1e-5;
        return (f(kind, x + h) - f(kind, x - h)) / (2 * h);
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void forward(DType dtype, boolean strided, int rows, int cols) {
        for (Kind kind : Kind.values()) {
            for (int target = 0; target < 3; target++) {
                Matrix gate = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 3);
                Matrix up = Shapes.matrix(device, dtype, !strided, rows, cols).random(2, 2);
                Matrix out = target == 0 ? gate : target == 1 ? up : Matrix.strided(device, dtype, rows, cols);
                double[][] g = gate.values();
                double[][] u = up.values();
                ops.forward(gate.tensor, up.tensor, kind, out.tensor);
                out.assertNear(Shapes.reference(rows, cols, (r, c) -> f(kind, g[r][c]) * u[r][c]), "forward " + kind);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void backward(DType dtype, boolean strided, int rows, int cols) {
        for (Kind kind : Kind.values()) {
            for (boolean inPlace : new boolean[] {false, true}) {
                Matrix dOut = Shapes.matrix(device, dtype, strided, rows, cols).random(3, 1);
                Matrix gate = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 3);
                Matrix up = Shapes.matrix(device, dtype, !strided, rows, cols).random(2, 2);
                Matrix dGate = inPlace ? gate : Matrix.strided(device, dtype, rows, cols);
                Matrix dUp = inPlace ? up : Matrix.strided(device, dtype, rows, cols);
                double[][] d = dOut.values();
                double[][] g = gate.values();
                double[][] u = up.values();
                Matrix out = inPlace ? dOut : Matrix.strided(device, dtype, rows, cols);
                Matrix forward = Matrix.strided(device, dtype, rows, cols);
                ops.forward(gate.tensor, up.tensor, kind, forward.tensor);
                ops.backward(dOut.tensor, gate.tensor, up.tensor, kind, dGate.tensor, dUp.tensor, out.tensor);
                assertThat(out.values()).as("forward's bits, %s", kind).isDeepEqualTo(forward.values());
                dGate.assertNear(
                        Shapes.reference(rows, cols, (r, c) -> d[r][c] * u[r][c] * slope(kind, g[r][c])),
                        "gate " + kind);
                dUp.assertNear(Shapes.reference(rows, cols, (r, c) -> d[r][c] * f(kind, g[r][c])), "up " + kind);
            }
        }
    }

    @Test
    void largeGatesNeitherOverflowNorLoseTheirSign() {
        for (Kind kind : Kind.values()) {
            Matrix gate = Matrix.contiguous(device, DType.F32, 1, 4);
            Matrix up = Matrix.contiguous(device, DType.F32, 1, 4);
            float[] x = {-200f, 200f, -1e30f, 0f};
            for (int i = 0; i < 4; i++) {
                gate.set(0, i, x[i]);
                up.set(0, i, 1f);
            }
            ops.forward(gate.tensor, up.tensor, kind, gate.tensor);
            assertThat(gate.get(0, 0)).isCloseTo(0f, offset(1e-30f));
            assertThat(gate.get(0, 1)).isEqualTo(200f);
            assertThat(gate.get(0, 3)).isEqualTo(0f);
        }
    }

    /** The first calls run in the interpreter, the last in code of the second compiler. */
    @Test
    @Tag(TestDevice.CPU_ONLY)
    void sameBitsBeforeAndAfterCompilation() {
        Matrix gate = Matrix.contiguous(device, DType.F32, 1, 77).random(1, 3);
        Matrix up = Matrix.contiguous(device, DType.F32, 1, 77).random(2, 3);
        Matrix dOut = Matrix.contiguous(device, DType.F32, 1, 77).random(3, 3);
        Matrix out = Matrix.contiguous(device, DType.F32, 1, 77);
        Matrix dUp = Matrix.contiguous(device, DType.F32, 1, 77);
        for (Kind kind : Kind.values()) {
            byte[] forward = null;
            byte[] backward = null;
            for (int i = 0; i < 20_000; i++) {
                ops.forward(gate.tensor, up.tensor, kind, out.tensor);
                forward = forward == null ? out.bytes() : forward;
                assertThat(Arrays.equals(out.bytes(), forward)).as("call %d", i).isTrue();
                ops.backward(dOut.tensor, gate.tensor, up.tensor, kind, out.tensor, dUp.tensor, null);
                backward = backward == null ? out.bytes() : backward;
                assertThat(Arrays.equals(out.bytes(), backward))
                        .as("call %d", i)
                        .isTrue();
            }
        }
    }
}
