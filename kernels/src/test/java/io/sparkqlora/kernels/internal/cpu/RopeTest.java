// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Rope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RopeTest {

    private static final int POSITIONS = 50;

    private final Device device = TestDevice.open();
    private final Rope ops = device.ops().rope();

    @AfterEach
    void close() {
        device.close();
    }

    private Matrix table(boolean sine, int half) {
        Matrix table = Matrix.strided(device, DType.F32, POSITIONS, half);
        for (int p = 0; p < POSITIONS; p++) {
            for (int i = 0; i < half; i++) {
                double angle = p * Math.pow(100, -(double) i / half);
                table.set(p, i, (float) (sine ? Math.sin(angle) : Math.cos(angle)));
            }
        }
        return table;
    }

    @ParameterizedTest
    @CsvSource({
        "F32,1,2,2",
        "F32,3,16,16",
        "BF16,2,64,64",
        "F32,4,80,32",
        "BF16,9,128,128",
        "F16,9,128,128",
        "F16,3,20,12",
        "F32,2,10,6"
    })
    void turnsPairs(DType dtype, int heads, int headDim, int rotaryDim) {
        int half = rotaryDim / 2;
        Matrix cos = table(false, half);
        Matrix sin = table(true, half);
        int[] positions = {0, 1, 49, 3, 3};
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 5).ints(positions);
        for (boolean inverse : new boolean[] {false, true}) {
            Matrix x = Matrix.strided(device, dtype, 5, heads * headDim).random(1, 1);
            double[][] in = x.values();
            double[][] c = cos.values();
            double[][] s = sin.values();
            ops.apply(x.tensor, at.tensor, cos.tensor, sin.tensor, headDim, inverse);
            x.assertNear(
                    Shapes.reference(5, heads * headDim, (row, col) -> {
                        int d = col % headDim;
                        double sign = inverse ? -1 : 1;
                        if (d >= rotaryDim) {
                            return in[row][col];
                        }
                        int i = d % half;
                        double turned = sign * s[positions[row]][i];
                        return d < half
                                ? in[row][col] * c[positions[row]][i] - in[row][col + half] * turned
                                : in[row][col] * c[positions[row]][i] + in[row][col - half] * turned;
                    }),
                    "turned");
        }
    }

    @Test
    void backwardUndoesForward() {
        Matrix cos = table(false, 32);
        Matrix sin = table(true, 32);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 3).ints(7, 20, 0);
        Matrix x = Matrix.contiguous(device, DType.F32, 3, 128).random(1, 1);
        double[][] before = x.values();
        ops.apply(x.tensor, at.tensor, cos.tensor, sin.tensor, 64, false);
        ops.apply(x.tensor, at.tensor, cos.tensor, sin.tensor, 64, true);
        x.assertNear(before, "there and back");
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void refusesPositionsOutsideTheTables() {
        Matrix table = table(false, 8);
        Matrix x = Matrix.contiguous(device, DType.F32, 2, 32).random(1, 1);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 2).ints(0, 50);
        assertThatThrownBy(() -> ops.apply(x.tensor, at.tensor, table.tensor, table.tensor, 16, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("token 1 has position 50, the tables have 0 to 49");
        assertThatThrownBy(() -> ops.apply(x.tensor, at.tensor, table.tensor, table.tensor, 12, false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("rows of 32 are no heads of 12 of which 16 turn");
    }
}
