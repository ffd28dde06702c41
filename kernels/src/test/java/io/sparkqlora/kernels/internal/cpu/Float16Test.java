// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Of all halves, and of all places where rounding turns. The vector form and the scalar one, which ends a row, give the same bits. */
@Tag(TestDevice.CPU_ONLY)
class Float16Test {

    private static final int INFINITY = 0x7c00;

    /** What IEEE 754 says a finite half's bits are. */
    private static double value(int bits) {
        int exponent = (bits >> 10) & 0x1f;
        int mantissa = bits & 0x3ff;
        double magnitude =
                exponent == 0 ? Math.scalb(mantissa, -24) : Math.scalb(1.0 + mantissa / 1024.0, exponent - 15);
        return (bits & 0x8000) == 0 ? magnitude : -magnitude;
    }

    private static float[] widen(short[] halves) {
        float[] wide = new float[halves.length];
        Float16.widen(halves, 0, wide, 0, halves.length);
        for (int i = 0; i < halves.length; i++) {
            assertThat(Float.floatToRawIntBits(wide[i])).isEqualTo(Float.floatToRawIntBits(Float16.widen(halves[i])));
        }
        return wide;
    }

    private static short[] narrow(float[] values) {
        short[] halves = new short[values.length];
        Float16.narrow(values, 0, halves, 0, values.length);
        for (int i = 0; i < values.length; i++) {
            assertThat(halves[i]).isEqualTo(Float16.narrow(values[i]));
        }
        return halves;
    }

    @Test
    void everyHalfIsWidenedExactlyAndComesBack() {
        short[] all = new short[1 << 16];
        for (int i = 0; i < all.length; i++) {
            all[i] = (short) i;
        }
        float[] wide = widen(all);
        short[] back = narrow(wide);
        for (int i = 0; i < all.length; i++) {
            boolean nan = (i & 0x7fff) > INFINITY;
            if (nan) {
                assertThat(wide[i]).isNaN();
                assertThat(back[i] & 0x7fff).isGreaterThan(INFINITY);
                continue;
            }
            double expected = (i & 0x7fff) == INFINITY ? (i == INFINITY ? 1 : -1) / 0.0 : value(i);
            assertThat((double) wide[i]).as("%x", i).isEqualTo(expected);
            assertThat(back[i]).as("%x", i).isEqualTo(all[i]);
        }
    }

    /** Halfway between neighbours, and one step of F32 to either side; beyond the largest comes infinity. */
    @Test
    void roundsToNearestAndTiesToEven() {
        float[] values = new float[6 * INFINITY];
        for (int i = 0; i < INFINITY; i++) {
            float middle = (float) ((value(i) + (i + 1 == INFINITY ? 65536 : value(i + 1))) / 2);
            float[] around = {Math.nextDown(middle), middle, Math.nextUp(middle)};
            for (int j = 0; j < 3; j++) {
                values[6 * i + j] = around[j];
                values[6 * i + 3 + j] = -around[j];
            }
        }
        short[] halves = narrow(values);
        for (int i = 0; i < INFINITY; i++) {
            int even = i + (i & 1);
            int[] expected = {i, even, i + 1, i | 0x8000, even | 0x8000, (i + 1) | 0x8000};
            for (int j = 0; j < 6; j++) {
                assertThat(halves[6 * i + j] & 0xffff)
                        .as("%s", values[6 * i + j])
                        .isEqualTo(expected[j]);
            }
        }
    }

    @Test
    void whatIsFarOutsideIsZeroOrInfinite() {
        float[] values = {Float.MIN_VALUE, -1e-30f, 65536f, Float.MAX_VALUE, Float.NEGATIVE_INFINITY, -0f, 1e-8f};
        assertThat(narrow(values)).containsExactly(0, 0x8000, 0x7c00, 0x7c00, 0xfc00, 0x8000, 0);
        assertThat(Float16.round(1e-8f)).isZero();
        assertThat(Float16.round(Float.NaN)).isNaN();
        int[] nans = {0x7f800001, 0xffffffff, 0x7fc00000};
        for (int nan : nans) { // also one whose upper bits alone would be infinity
            assertThat(Float16.widen(Float16.narrow(Float.intBitsToFloat(nan)))).isNaN();
        }
    }
}
