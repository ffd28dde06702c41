// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Memory;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.Tensor;
import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;

class RowsTest {

    @Test
    void f32GoesThereAndBackInItsPlaceOnly() {
        try (CpuDevice device = new CpuDevice();
                Memory memory = device.allocate(4L * 3 * 50, "a test")) {
            Tensor tensor = new Tensor(memory, 0, DType.F32, 3, 40, 50);
            Native.fill(memory.address(), memory.bytes(), (byte) -1);
            float[] in = {1f, 2.5f, -3f};
            Rows.store(in, 0, 3, tensor, 1, 4);
            float[] out = new float[6];
            Rows.load(tensor, 1, 3, 5, out, 1);
            assertThat(out).containsExactly(0f, Float.NaN, 1f, 2.5f, -3f, Float.NaN);
        }
    }

    @Test
    void bf16RoundsToNearestEven() {
        int count = 5003;
        Random random = new Random(1);
        float[] in = new float[count];
        for (int i = 0; i < count; i++) {
            in[i] = Float.intBitsToFloat(random.nextInt());
        }
        in[0] = Float.intBitsToFloat(0x3f808000); // half way, below is even
        in[1] = Float.intBitsToFloat(0x3f818000); // half way, above is even
        in[2] = Float.NEGATIVE_INFINITY;
        in[3] = Float.MAX_VALUE;
        in[4] = Float.intBitsToFloat(0x7f800001); // a not-a-number whose upper half alone would be infinity
        try (CpuDevice device = new CpuDevice();
                Memory memory = device.allocate(2L * count, "a test")) {
            Tensor tensor = Tensor.of(memory, DType.BF16, 1, count);
            Rows.store(in, 0, count, tensor, 0, 0);
            float[] out = new float[count];
            Rows.load(tensor, 0, 0, count, out, 0);
            assertThat(Float.floatToRawIntBits(out[0])).isEqualTo(0x3f800000);
            assertThat(Float.floatToRawIntBits(out[1])).isEqualTo(0x3f820000);
            assertThat(out[2]).isEqualTo(Float.NEGATIVE_INFINITY);
            assertThat(out[3]).isEqualTo(Float.POSITIVE_INFINITY);
            assertThat(out[4]).isNaN();
            for (int i = 5; i < count; i++) {
                assertNearestEven(in[i], out[i]);
                // the scalar form, which the end of a row takes, gives the same bits
                assertThat(Float.floatToRawIntBits(out[i]))
                        .isEqualTo(Float.floatToRawIntBits(BFloat16.widen(BFloat16.round(in[i]))));
            }
        }
    }

    private static void assertNearestEven(float in, float out) {
        if (Float.isNaN(in) || Float.isInfinite(out)) {
            assertThat(Float.isNaN(out)).isEqualTo(Float.isNaN(in));
            return;
        }
        int bits = Float.floatToRawIntBits(out);
        assertThat(bits & 0xffff).isZero();
        BigDecimal error = distance(in, out);
        BigDecimal below = distance(in, Float.intBitsToFloat(bits - 0x10000));
        BigDecimal above = distance(in, Float.intBitsToFloat(bits + 0x10000));
        assertThat(error.min(below).min(above)).isEqualByComparingTo(error);
        if (error.compareTo(below) == 0 || error.compareTo(above) == 0) {
            assertThat((bits >>> 16) & 1).as("%s to %s", in, out).isZero();
        }
    }

    private static BigDecimal distance(float a, float b) {
        if (!Float.isFinite(b)) {
            return BigDecimal.valueOf(1e300);
        }
        return new BigDecimal(a).subtract(new BigDecimal(b)).abs();
    }

    @Test
    void otherTypesAreRefused() {
        try (CpuDevice device = new CpuDevice();
                Memory memory = device.allocate(64, "a test")) {
            Tensor tensor = Tensor.of(memory, DType.I32, 1, 4);
            assertThatThrownBy(() -> Rows.load(tensor, 0, 0, 4, new float[4], 0))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("QLORA-K006")
                    .hasMessageContaining("a tensor of I32, it works on F32, BF16 or F16");
        }
    }
}
