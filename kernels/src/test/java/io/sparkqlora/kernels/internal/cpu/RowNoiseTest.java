// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.RowNoise;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowNoiseTest {

    private static final long SEED = 0x1234_5678_9abcL;

    private final Device device = TestDevice.open();
    private final RowNoise ops = device.ops().rowNoise();

    @AfterEach
    void close() {
        device.close();
    }

    private Matrix stream(long base) {
        Matrix stream = Matrix.contiguous(device, DType.I64, 1, 1);
        Native.putLong(stream.tensor.address(), base);
        return stream;
    }

    private Matrix bounds(float... values) {
        Matrix bounds = Matrix.contiguous(device, DType.F32, 1, values.length);
        for (int i = 0; i < values.length; i++) {
            bounds.set(0, i, values[i]);
        }
        return bounds;
    }

    /** The same to the bit in F32; in BF16 and F16 that number, rounded. */
    @ParameterizedTest
    @CsvSource({"F32,64", "F32,37", "F32,1", "BF16,128", "BF16,21", "F16,128", "F16,21", "F32,4100"})
    void addsWhatThePhiloxBlocksSay(DType dtype, int cols) {
        Matrix x = Matrix.strided(device, dtype, 3, cols).random(1, 2);
        double[][] before = x.values();
        float[] bounds = {0.5f, 0f, 3f};
        ops.add(x.tensor, bounds(bounds).tensor, SEED, stream(5L << 32).tensor, 0xffff);
        int[] words = new int[4];
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < cols; c++) {
                long index = (long) r * cols + c;
                Philox.block(index / 4, (5L << 32) + 0xffff, SEED, words, 0);
                float u = (float) ((words[(int) (index % 4)] >>> 8) * 0x1p-23 - 1);
                float expected = (float) before[r][c] + u * bounds[r];
                double tolerance = Math.abs(expected) * Matrix.rounding(dtype);
                assertThat((double) x.get(r, c)).as("%d, %d", r, c).isCloseTo(expected, offset(tolerance));
            }
        }
    }

    @Test
    void isUniform() {
        int n = 1 << 16;
        Matrix x = Matrix.contiguous(device, DType.F32, 1, n);
        device.ops().elementwise().zero(x.tensor);
        ops.add(x.tensor, bounds(2f).tensor, 1, stream(0).tensor, 0);
        double sum = 0;
        double squares = 0;
        double largest = 0;
        for (double value : x.values()[0]) {
            sum += value;
            squares += value * value;
            largest = Math.max(largest, Math.abs(value));
        }
        assertThat(sum / n).isCloseTo(0, offset(0.02));
        assertThat(squares / n).isCloseTo(4 / 3.0, offset(0.02));
        assertThat(largest).isBetween(1.999, 2.0);
    }
}
