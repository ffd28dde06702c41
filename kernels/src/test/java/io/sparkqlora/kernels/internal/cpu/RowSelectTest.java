// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.RowSelect;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RowSelectTest {

    private static final DType[] TYPES = {DType.F32, DType.BF16, DType.F16};

    private final Device device = TestDevice.open();
    private final RowSelect ops = device.ops().rowSelect();

    @AfterEach
    void close() {
        device.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {2051, 2048})
    void gathersRowsInAnyTypeAndScale(int cols) {
        int[] indices = {5, 0, 5, 10, 3};
        for (DType from : TYPES) {
            for (DType to : TYPES) {
                for (float scale : new float[] {1f, 8f, 5.656f}) {
                    Matrix table = Matrix.strided(device, from, 11, cols).random(1, 1);
                    Matrix at = Matrix.contiguous(device, DType.I32, 1, 5).ints(indices);
                    Matrix out = Matrix.strided(device, to, 5, cols);
                    double[][] rows = table.values();
                    ops.gather(table.tensor, at.tensor, scale, out.tensor);
                    out.assertNear(Shapes.reference(5, cols, (r, c) -> scale * rows[indices[r]][c]), "gathered");
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {65, 64})
    void scattersRowsAndLeavesTheOthers(int cols) {
        for (DType from : TYPES) {
            for (DType to : TYPES) {
                Matrix rows = Matrix.strided(device, from, 2, cols).random(1, 1);
                Matrix at = Matrix.contiguous(device, DType.I32, 1, 2).ints(3, 0);
                Matrix out = Matrix.strided(device, to, 4, cols).random(2, 1);
                double[][] in = rows.values();
                double[][] before = out.values();
                ops.scatter(rows.tensor, at.tensor, out.tensor);
                out.assertNear(
                        Shapes.reference(4, cols, (r, c) -> r == 3 ? in[0][c] : r == 0 ? in[1][c] : before[r][c]),
                        "scattered");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2051, 64})
    void addsRowsWhoseIndicesRepeat(int cols) {
        int[] indices = {5, 0, 5, 3, 5, 0, 9};
        int[] order = {1, 5, 3, 0, 2, 4, 6};
        for (DType from : TYPES) {
            for (float scale : new float[] {1f, 8f, 5.656f}) {
                Matrix rows = Matrix.strided(device, from, 7, cols).random(1, 1);
                Matrix at = Matrix.contiguous(device, DType.I32, 1, 7).ints(indices);
                Matrix sorted = Matrix.contiguous(device, DType.I32, 1, 7).ints(order);
                Matrix out = Matrix.strided(device, DType.F32, 11, cols).random(2, 1);
                double[][] in = rows.values();
                double[][] expected = out.values();
                for (int i = 0; i < indices.length; i++) {
                    for (int c = 0; c < cols; c++) {
                        expected[indices[i]][c] += scale * in[i][c];
                    }
                }
                ops.scatterAdd(rows.tensor, at.tensor, sorted.tensor, scale, out.tensor);
                out.assertNear(Shapes.reference(11, cols, (r, c) -> expected[r][c]), "added");
            }
        }
    }

    @Test
    void addsInTheOrderThatItIsGiven() {
        // 1 + 2⁻²⁴ is 1 in F32, so who comes first shows in the bits
        float[] values = {1f, 0x1p-24f, 0x1p-24f};
        Matrix rows = Matrix.contiguous(device, DType.F32, 3, 1);
        for (int i = 0; i < values.length; i++) {
            rows.set(i, 0, values[i]);
        }
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 3).ints(1, 1, 1);
        for (int[] order : new int[][] {{0, 1, 2}, {1, 2, 0}}) {
            Matrix out = Matrix.contiguous(device, DType.F32, 2, 1);
            out.set(1, 0, 0f);
            Matrix sorted = Matrix.contiguous(device, DType.I32, 1, 3).ints(order);
            ops.scatterAdd(rows.tensor, at.tensor, sorted.tensor, 1f, out.tensor);
            double expected = order[0] == 0 ? 1 : 1 + 0x1p-23;
            assertThat(out.values()[1][0]).isEqualTo(expected);
        }
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void refusesIndicesOutsideTheTable() {
        Matrix table = Matrix.contiguous(device, DType.F32, 4, 8).random(1, 1);
        Matrix out = Matrix.contiguous(device, DType.F32, 2, 8);
        for (int bad : new int[] {-1, 4}) {
            Matrix at = Matrix.contiguous(device, DType.I32, 1, 2).ints(0, bad);
            assertThatThrownBy(() -> ops.gather(table.tensor, at.tensor, 1f, out.tensor))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("index 1 is " + bad + ", there are rows 0 to 3");
            assertThatThrownBy(() -> ops.scatter(out.tensor, at.tensor, table.tensor))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("there are rows 0 to 3");
        }
    }
}
