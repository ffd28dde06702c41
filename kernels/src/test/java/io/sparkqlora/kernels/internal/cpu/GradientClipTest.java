// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.GradientClip;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GradientClipTest {

    private final Device device = TestDevice.open();
    private final GradientClip ops = device.ops().gradientClip();

    @AfterEach
    void close() {
        device.close();
    }

    private double read(Matrix f64) {
        return Native.getDouble(f64.tensor.address());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 4096, 4097, 100_003})
    void sumsInF64(int n) {
        Matrix x = Matrix.contiguous(device, DType.F32, 1, n).random(n, 1e-3);
        Matrix out = Matrix.contiguous(device, DType.F64, 1, 1);
        double squares = 0;
        double sum = 0;
        double magnitude = 0;
        for (double v : x.values()[0]) {
            squares += v * v;
            sum += v;
            magnitude += Math.abs(v);
        }
        ops.sumOfSquares(x.tensor, out.tensor);
        assertThat(read(out)).isCloseTo(squares, offset(1e-13 * squares));
        Native.putDouble(out.tensor.address(), 3.5);
        ops.addSum(x.tensor, out.tensor);
        assertThat(read(out)).isCloseTo(3.5 + sum, offset(1e-13 * (magnitude + 3.5)));
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void theOrderOfSummationDoesNotDependOnTheThreads() {
        Matrix x = Matrix.contiguous(device, DType.F32, 1, 300_001).random(1, 1);
        Matrix out = Matrix.contiguous(device, DType.F64, 1, 1);
        ops.sumOfSquares(x.tensor, out.tensor);
        double first = read(out);
        try (Workers one = new Workers(1);
                Workers five = new Workers(5)) {
            for (int i = 0; i < 50; i++) {
                new CpuGradientClip(i % 2 == 0 ? one : five).sumOfSquares(x.tensor, out.tensor);
                assertThat(read(out)).isEqualTo(first);
            }
        }
    }

    private float[] clip(double sumOfSquares, float maxNorm) {
        Matrix in = Matrix.contiguous(device, DType.F64, 1, 1);
        Matrix out = Matrix.contiguous(device, DType.F32, 1, 2);
        Native.putDouble(in.tensor.address(), sumOfSquares);
        ops.clip(in.tensor, maxNorm, out.tensor);
        return new float[] {out.get(0, 0), out.get(0, 1)};
    }

    @Test
    void clipsAsPyTorch() {
        assertThat(clip(16, 1f)).containsExactly(4f, 1f / (4f + 1e-6f));
        assertThat(clip(0.25, 1f)).containsExactly(0.5f, 1f);
        assertThat(clip(1e6, 0f)).containsExactly(1000f, 1f);
        assertThat(clip(Double.NaN, 1f)).containsExactly(Float.NaN, Float.NaN);
        assertThat(clip(Double.POSITIVE_INFINITY, 1f)).containsExactly(Float.POSITIVE_INFINITY, 0f);
    }

    @Test
    void refusesOtherTypes() {
        Matrix x = Matrix.contiguous(device, DType.BF16, 1, 4).random(1, 1);
        Matrix out = Matrix.contiguous(device, DType.F64, 1, 1);
        assertThatThrownBy(() -> ops.sumOfSquares(x.tensor, out.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a vector of 4 F32 is needed, not of 4 BF16");
    }
}
