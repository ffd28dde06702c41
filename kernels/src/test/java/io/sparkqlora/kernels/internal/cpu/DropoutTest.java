// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class DropoutTest {

    private final Device device = TestDevice.open();
    private final Dropout ops = device.ops().dropout();

    @AfterEach
    void close() {
        device.close();
    }

    /** Known answers of the Random123 distribution, {@code kat_vectors}, philox4x32 with 7 rounds. */
    @Test
    void philoxGivesTheKnownAnswers() {
        int[] out = new int[4];
        Philox.block(0, 0, 0, out, 0);
        assertThat(out).containsExactly(0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48);
        Philox.block(-1, -1, -1, out, 0);
        assertThat(out).containsExactly(0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662);
        Philox.block(0x85a308d3243f6a88L, 0x0370734413198a2eL, 0x299f31d0a4093822L, out, 0);
        assertThat(out).containsExactly(0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a);
    }

    private void apply(Matrix x, float p, long seed, long stream, Matrix out) {
        long base = stream % 2 == 0 ? 1L << 40 : -3;
        Matrix streamBase = Matrix.contiguous(device, DType.I64, 1, 1);
        Native.putLong(streamBase.tensor.address(), base);
        ops.apply(x.tensor, p, seed, streamBase.tensor, stream - base, 0, out.tensor);
    }

    @ParameterizedTest
    @MethodSource("io.sparkqlora.kernels.internal.cpu.Shapes#all")
    void keepsAnElementByItsIndexAlone(DType dtype, boolean strided, int rows, int cols) {
        for (boolean inPlace : new boolean[] {false, true}) {
            for (float p : new float[] {0f, 0.05f, 0.5f, 0.75f}) {
                Matrix x = Shapes.matrix(device, dtype, strided, rows, cols).random(1, 1);
                Matrix out = inPlace ? x : Matrix.strided(device, dtype, rows, cols);
                double[][] in = x.values();
                apply(x, p, 42, 7, out);
                double q = TestMasks.rate(p);
                out.assertNear(
                        Shapes.reference(
                                rows,
                                cols,
                                (r, c) -> TestMasks.kept((long) r * cols + c, p, 42, 7) ? in[r][c] / (1 - q) : 0),
                        "dropped");
            }
        }
    }

    /** Pieces of a matrix get the masks that they have in the whole, where a block of the generator ends or elsewhere. */
    @ParameterizedTest
    @CsvSource({"64, 1", "7, 1", "7, 3"})
    void drawsPiecesAsTheWhole(int cols, int firstRow) {
        int rows = 5;
        Matrix x = Matrix.contiguous(device, DType.F32, rows, cols).random(1, 1);
        Matrix whole = Matrix.contiguous(device, DType.F32, rows, cols);
        apply(x, 0.5f, 42, 7, whole);
        Matrix streamBase = Matrix.contiguous(device, DType.I64, 1, 1);
        Native.putLong(streamBase.tensor.address(), 0);
        Tensor rest = x.tensor.rowRange(firstRow, rows);
        ops.apply(rest, 0.5f, 42, streamBase.tensor, 7, firstRow, rest);
        assertThat(TestMatrix.bits(rest)).isEqualTo(TestMatrix.bits(whole.tensor.rowRange(firstRow, rows)));
    }

    @Test
    void dropsTheShareThatItShouldAndOtherMasksForOtherStreams() {
        int n = 400_000;
        Matrix ones = Matrix.contiguous(device, DType.F32, 1, n);
        float[] row = new float[n];
        Arrays.fill(row, 1f);
        Native.store(row, 0, n, ones.tensor.address());
        Matrix first = Matrix.contiguous(device, DType.F32, 1, n);
        Matrix second = Matrix.contiguous(device, DType.F32, 1, n);
        apply(ones, 0.1f, 1, 1, first);
        apply(ones, 0.1f, 1, 2, second);
        int dropped = 0;
        int both = 0;
        float[] a = new float[n];
        float[] b = new float[n];
        Native.load(first.tensor.address(), a, 0, n);
        Native.load(second.tensor.address(), b, 0, n);
        for (int i = 0; i < n; i++) {
            dropped += a[i] == 0f ? 1 : 0;
            both += a[i] == 0f && b[i] == 0f ? 1 : 0;
        }
        assertThat(dropped / (double) n).isCloseTo(0.1, offset(0.003));
        assertThat(both / (double) n).isCloseTo(0.01, offset(0.001));
    }

    @Test
    void refusesProbabilitiesOutsideTheirRange() {
        Matrix x = Matrix.contiguous(device, DType.F32, 1, 4).random(1, 1);
        for (float p : new float[] {1f, -0.1f, Float.NaN}) {
            assertThatThrownBy(() -> apply(x, p, 0, 0, x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("must be in [0, 1), not " + p);
        }
    }
}
