// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.data.Offset.offset;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.PreferenceLoss.Dpo;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PreferenceLossTest {

    private static final int[] STARTS = {0, 3, 4, 704, 1804, 1805, 1806};
    private static final int PAIRS = 3;
    private static final int ROWS = 1806;

    private final Device device = TestDevice.open();
    private final PreferenceLoss ops = device.ops().preferenceLoss();
    private final Matrix policy = Matrix.contiguous(device, DType.F32, 1, ROWS);
    private final Matrix reference = Matrix.contiguous(device, DType.F32, 1, ROWS);
    private final Matrix starts = Matrix.contiguous(device, DType.I32, 1, STARTS.length);
    private final Matrix gradients = Matrix.contiguous(device, DType.F32, 1, ROWS);
    private final Matrix numbers = Matrix.contiguous(device, DType.F64, PAIRS, PreferenceLoss.NUMBERS);
    private final Matrix sums = Matrix.contiguous(device, DType.F64, 1, PreferenceLoss.NUMBERS);

    @AfterEach
    void close() {
        device.close();
    }

    private void run(Dpo settings, float scale) {
        starts.ints(STARTS);
        for (int i = 0; i < PreferenceLoss.NUMBERS; i++) {
            Native.putDouble(sums.tensor.address() + 8L * i, i);
        }
        ops.dpo(
                policy.tensor,
                reference.tensor,
                starts.tensor,
                settings,
                scale,
                gradients.tensor,
                numbers.tensor,
                sums.tensor);
    }

    private static double f64(Matrix matrix, int row, int col) {
        return Native.getDouble(matrix.tensor.address(row) + 8L * col);
    }

    private static double sum(Matrix x, int sequence) {
        return Arrays.stream(x.values()[0], STARTS[sequence], STARTS[sequence + 1])
                .sum();
    }

    /** A pair's loss, written out another way, by its log-probabilities. */
    private static double loss(Dpo settings, double[] of) {
        double margin = settings.beta() * ((of[0] - of[1]) - (of[2] - of[3]));
        double e = settings.labelSmoothing();
        return (1 - e) * Math.log(1 + Math.exp(-margin)) + e * Math.log(1 + Math.exp(margin));
    }

    @ParameterizedTest
    @CsvSource({"0.1, 0", "0.1, 0.2", "2, 0", "0.5, 0.49"})
    void lossesNumbersAndGradients(double beta, double smoothing) {
        policy.random(1, 0.05);
        reference.random(2, 0.05);
        Dpo settings = new Dpo(beta, smoothing);
        run(settings, 0.25f);
        double[] totals = new double[PreferenceLoss.NUMBERS];
        for (int pair = 0; pair < PAIRS; pair++) {
            double[] of = {
                -sum(policy, 2 * pair),
                -sum(reference, 2 * pair),
                -sum(policy, 2 * pair + 1),
                -sum(reference, 2 * pair + 1)
            };
            double chosen = beta * (of[0] - of[1]);
            double rejected = beta * (of[2] - of[3]);
            double[] expected = {
                loss(settings, of), chosen, rejected, chosen > rejected ? 1 : 0, chosen - rejected, of[0], of[2]
            };
            for (int i = 0; i < expected.length; i++) {
                assertThat(f64(numbers, pair, i)).as("%d of pair %d", i, pair).isCloseTo(expected[i], offset(1e-12));
                totals[i] += expected[i];
            }
            assertGradients(settings, pair, of);
        }
        for (int i = 0; i < totals.length; i++) {
            assertThat(f64(sums, 0, i)).as("sum %d", i).isCloseTo(i + totals[i], offset(1e-11));
        }
        gradients.assertGapsUntouched();
    }

    /** By central differences: a row that costs more makes its sequence less likely. */
    private void assertGradients(Dpo settings, int pair, double[] of) {
        for (int which = 0; which < 2; which++) {
            double[] more = of.clone();
            double[] less = of.clone();
            more[2 * which] -= 1e-5;
            less[2 * which] += 1e-5;
            double expected = 0.25 * (loss(settings, more) - loss(settings, less)) / 2e-5;
            int sequence = 2 * pair + which;
            for (int row = STARTS[sequence]; row < STARTS[sequence + 1]; row++) {
                assertThat((double) gradients.get(0, row)).as("row %d", row).isCloseTo(expected, offset(1e-7));
            }
        }
    }

    /** torch 2.13: -logsigmoid(0.1 * ((-3.5 + 2.25) - (-1 + 4))) and so on, in float64. */
    @Test
    void asPyTorch() {
        Matrix one = Matrix.contiguous(device, DType.F32, 1, 2);
        Matrix other = Matrix.contiguous(device, DType.F32, 1, 2);
        one.set(0, 0, 3.5f);
        one.set(0, 1, 1f);
        other.set(0, 0, 2.25f);
        other.set(0, 1, 4f);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 3).ints(0, 1, 2);
        Matrix gradient = Matrix.contiguous(device, DType.F32, 1, 2);
        Matrix pair = Matrix.contiguous(device, DType.F64, 1, PreferenceLoss.NUMBERS);
        Matrix sum = Matrix.contiguous(device, DType.F64, 1, PreferenceLoss.NUMBERS);
        Dpo settings = new Dpo(0.1, 0);
        ops.dpo(one.tensor, other.tensor, at.tensor, settings, 1f, gradient.tensor, pair.tensor, sum.tensor);
        assertThat(f64(pair, 0, 0)).isCloseTo(0.9280574001728005, offset(1e-15));
        assertThat(gradient.get(0, 0)).isCloseTo(0.060467908f, offset(1e-8f));
        assertThat(gradient.get(0, 1)).isCloseTo(-0.060467908f, offset(1e-8f));
    }

    @Test
    void hugeMarginsDoNotOverflowAndNoNumberShows() {
        for (int i = 0; i < ROWS; i++) {
            policy.set(0, i, 1e6f);
            reference.set(0, i, 0f);
        }
        run(new Dpo(1, 0), 1f);
        // three rows against one, 700 against 1,100, one against one
        assertThat(f64(numbers, 0, 0)).isEqualTo(2e6);
        assertThat(gradients.get(0, 0)).isEqualTo(1f);
        assertThat(f64(numbers, 1, 0)).isZero();
        assertThat(gradients.get(0, 4)).isZero();
        assertThat(f64(numbers, 2, 0)).isCloseTo(Math.log(2), offset(1e-15));
        assertThat(f64(numbers, 2, 3)).isZero();
        policy.set(0, 1, Float.NaN);
        run(new Dpo(1, 0.1), 1f);
        assertThat(f64(numbers, 0, 0)).isNaN();
        assertThat(gradients.get(0, 3)).isNaN();
        assertThat(f64(sums, 0, 0)).isNaN();
        assertThat(f64(numbers, 1, 0)).isFinite();
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void sameBitsBeforeAndAfterCompilation() {
        policy.random(1, 0.5);
        reference.random(2, 0.5);
        byte[] first = null;
        for (int i = 0; i < 3000; i++) {
            run(new Dpo(0.1, 0.1), 1f);
            first = first == null ? numbers.bytes() : first;
            assertThat(Arrays.equals(numbers.bytes(), first)).as("call %d", i).isTrue();
        }
    }

    @Test
    void refusesOtherShapes() {
        Matrix two = Matrix.contiguous(device, DType.F64, 2, PreferenceLoss.NUMBERS);
        assertThatThrownBy(() -> ops.dpo(
                        policy.tensor,
                        reference.tensor,
                        starts.tensor,
                        new Dpo(0.1, 0),
                        1f,
                        gradients.tensor,
                        two.tensor,
                        sums.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("a vector of 5 I32 is needed, not of 7 I32");
    }
}
