// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class VectorMathTest {

    private interface ArrayFunction {
        void apply(float[] in, int inAt, float[] out, int outAt, int count);
    }

    private interface ScalarFunction {
        float apply(float x);
    }

    @Test
    void expIsWithinTwoUlps() {
        check(VectorMath::exp, VectorMath::exp, Math::exp, -86.9f, 88.72f);
        check(VectorMath::exp, VectorMath::exp, Math::exp, -1f, 1f);
    }

    @Test
    void sigmoidIsWithinThreeUlps() {
        // one rounding more than exp has: the sum, then the quotient
        check(VectorMath::sigmoid, VectorMath::sigmoid, x -> 1 / (1 + Math.exp(-x)), -87f, 87f, 3);
        check(VectorMath::sigmoid, VectorMath::sigmoid, x -> 1 / (1 + Math.exp(-x)), -2f, 2f, 3);
    }

    @Test
    void tanhIsWithinTwoUlps() {
        check(VectorMath::tanh, VectorMath::tanh, Math::tanh, -12f, 12f);
        check(VectorMath::tanh, VectorMath::tanh, Math::tanh, -1f, 1f);
        check(VectorMath::tanh, VectorMath::tanh, Math::tanh, -1e-3f, 1e-3f);
    }

    @Test
    void logIsWithinTwoUlps() {
        check(VectorMath::log, VectorMath::log, Math::log, 1e-44f, 1e-38f);
        check(VectorMath::log, VectorMath::log, Math::log, 0.2f, 3f);
        check(VectorMath::log, VectorMath::log, Math::log, 1f, 1e6f);
        check(VectorMath::log, VectorMath::log, Math::log, 1e30f, 3e38f);
    }

    @Test
    void limitsAreThoseOfTheFunctions() {
        float inf = Float.POSITIVE_INFINITY;
        assertThat(VectorMath.exp(-inf)).isEqualTo(0f);
        assertThat(VectorMath.exp(-87.1f)).as("no denormals").isEqualTo(0f);
        assertThat(VectorMath.exp(inf)).isEqualTo(inf);
        assertThat(VectorMath.exp(0f)).isEqualTo(1f);
        assertThat(VectorMath.sigmoid(-inf)).isEqualTo(0f);
        assertThat(VectorMath.sigmoid(inf)).isEqualTo(1f);
        assertThat(VectorMath.tanh(-inf)).isEqualTo(-1f);
        assertThat(VectorMath.log(0f)).isEqualTo(-inf);
        assertThat(VectorMath.log(inf)).isEqualTo(inf);
        assertThat(VectorMath.log(-1f)).isNaN();
        float[] special = new float[40];
        java.util.Arrays.fill(special, Float.NaN);
        VectorMath.exp(special, 0, special, 0, 40);
        for (float value : special) {
            assertThat(value).isNaN();
        }
    }

    private static void check(
            ArrayFunction vector, ScalarFunction scalar, DoubleUnaryOperator reference, float low, float high) {
        check(vector, scalar, reference, low, high, 2);
    }

    /** The vector form equals the scalar one bit for bit, whichever place an element has, and both are close to the truth. */
    private static void check(
            ArrayFunction vector,
            ScalarFunction scalar,
            DoubleUnaryOperator reference,
            float low,
            float high,
            double ulps) {
        Random random = new Random(7);
        int count = 100_003;
        float[] in = new float[count];
        for (int i = 0; i < count; i++) {
            in[i] = low + (high - low) * random.nextFloat();
        }
        float[] out = new float[count + 5];
        vector.apply(in, 3, out, 5, count - 3);
        for (int i = 3; i < count; i++) {
            float got = out[i + 2];
            assertThat(Float.floatToRawIntBits(got)).isEqualTo(Float.floatToRawIntBits(scalar.apply(in[i])));
            double exact = reference.applyAsDouble(in[i]);
            double error = Math.abs(got - exact) / Math.ulp((float) exact);
            assertThat(error).as("f(%s) = %s, exact %s", in[i], got, exact).isLessThanOrEqualTo(ulps);
        }
    }
}
