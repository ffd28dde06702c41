// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.CrossEntropy;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class CrossEntropyTest {

    private final Device device = TestDevice.open();
    private final CrossEntropy ops = device.ops().crossEntropy();

    @AfterEach
    void close() {
        device.close();
    }

    static Stream<Arguments> cases() {
        return Stream.of(DType.F32, DType.BF16, DType.F16).flatMap(dtype -> Stream.of(1, 2, 31, 259, 2048, 5003, 49_152)
                .flatMap(vocabulary -> Stream.of(0f, 30f).map(cap -> Arguments.of(dtype, vocabulary, cap))));
    }

    private record Expected(double[][] losses, double[][] gradients) {}

    private static Expected reference(double[][] logits, int[] labels, double cap, double smoothing, double scale) {
        int n = logits[0].length;
        double[][] losses = new double[1][logits.length];
        double[][] gradients = new double[logits.length][n];
        for (int r = 0; r < logits.length; r++) {
            if (labels[r] == CrossEntropy.IGNORE_INDEX) {
                continue;
            }
            double[] z = logits[r].clone();
            for (int c = 0; c < n && cap > 0; c++) {
                z[c] = cap * Math.tanh(z[c] / cap);
            }
            double max = Arrays.stream(z).max().orElseThrow();
            double sum = Arrays.stream(z).map(x -> Math.exp(x - max)).sum();
            double mean = Arrays.stream(z).sum() / n;
            losses[0][r] = max + Math.log(sum) - z[labels[r]] - smoothing * (mean - z[labels[r]]);
            for (int c = 0; c < n; c++) {
                double slope = cap > 0 ? 1 - (z[c] / cap) * (z[c] / cap) : 1;
                gradients[r][c] = scale
                        * slope
                        * (Math.exp(z[c] - max) / sum - (c == labels[r] ? 1 - smoothing : 0) - smoothing / n);
            }
        }
        return new Expected(losses, gradients);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void lossesAndGradients(DType dtype, int vocabulary, float cap) {
        int[] labels = {0, vocabulary - 1, CrossEntropy.IGNORE_INDEX, vocabulary / 2};
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 4).ints(labels);
        Matrix logits = Matrix.strided(device, dtype, 4, vocabulary).random(vocabulary, 6);
        Expected expected = reference(logits.values(), labels, cap, 0, 0.125);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 4);
        byte[] before = logits.bytes();
        ops.forward(logits.tensor, at.tensor, cap, losses.tensor);
        losses.assertNear(expected.losses, "forward");
        assertThat(losses.get(0, 2)).isZero();
        assertThat(Arrays.equals(logits.bytes(), before))
                .as("forward leaves the logits")
                .isTrue();
        Matrix again = Matrix.contiguous(device, DType.F32, 1, 4);
        ops.forwardBackward(logits.tensor, at.tensor, cap, 0f, 0.125f, again.tensor);
        assertThat(again.bytes()).isEqualTo(losses.bytes());
        logits.assertNear(expected.gradients, "gradient");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void smoothedLossesAndGradients(DType dtype, int vocabulary, float cap) {
        int[] labels = {0, vocabulary - 1, CrossEntropy.IGNORE_INDEX, vocabulary / 2};
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 4).ints(labels);
        Matrix logits = Matrix.strided(device, dtype, 4, vocabulary).random(vocabulary, 6);
        Expected expected = reference(logits.values(), labels, cap, 0.3f, 0.125);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 4);
        ops.forwardBackward(logits.tensor, at.tensor, cap, 0.3f, 0.125f, losses.tensor);
        losses.assertNear(expected.losses, "forward");
        logits.assertNear(expected.gradients, "gradient");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void gradientsOfRowsByTheirOwnScales(DType dtype, int vocabulary, float cap) {
        int[] labels = {0, vocabulary - 1, CrossEntropy.IGNORE_INDEX, vocabulary / 2};
        float[] own = {2f, -0.5f, 3f, 0f};
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 4).ints(labels);
        Matrix scales = Matrix.contiguous(device, DType.F32, 1, 4);
        Matrix logits = Matrix.strided(device, dtype, 4, vocabulary).random(vocabulary, 6);
        Expected expected = reference(logits.values(), labels, cap, 0, 0.125);
        for (int r = 0; r < 4; r++) {
            scales.set(0, r, own[r]);
            for (int c = 0; c < vocabulary; c++) {
                expected.gradients[r][c] *= own[r];
            }
        }
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 4);
        ops.forwardBackward(logits.tensor, at.tensor, cap, 0f, 0.125f, scales.tensor, losses.tensor);
        losses.assertNear(expected.losses, "forward");
        logits.assertNear(expected.gradients, "gradient");
    }

    /** transformers 5.18's {@code LabelSmoother(0.1)} over these rows, times the two that count. */
    @Test
    void smoothsAsTransformers() {
        Matrix logits = Matrix.contiguous(device, DType.F32, 3, 4);
        float[][] values = {{0.5f, -1f, 2f, 0.25f}, {1.5f, 0f, -0.5f, 3f}, {1f, 2f, 3f, 4f}};
        for (int r = 0; r < 3; r++) {
            for (int c = 0; c < 4; c++) {
                logits.set(r, c, values[r][c]);
            }
        }
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 3).ints(2, 0, CrossEntropy.IGNORE_INDEX);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 3);
        ops.forwardBackward(logits.tensor, at.tensor, 0f, 0.1f, 1f, losses.tensor);
        assertThat(losses.get(0, 0) + losses.get(0, 1)).isCloseTo(2.3402863f, within(1e-6f));
    }

    @Test
    void hugeLogitsDoNotOverflow() {
        Matrix logits = Matrix.contiguous(device, DType.F32, 1, 3);
        logits.set(0, 0, 3e38f);
        logits.set(0, 1, -3e38f);
        logits.set(0, 2, 0f);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 1).ints(0);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 1);
        ops.forwardBackward(logits.tensor, at.tensor, 0f, 0f, 1f, losses.tensor);
        assertThat(losses.get(0, 0)).isZero();
        assertThat(logits.values()[0]).containsExactly(0, 0, 0);
    }

    @Test
    void notANumberShows() {
        Matrix logits = Matrix.contiguous(device, DType.F32, 1, 100).random(1, 1);
        logits.set(0, 70, Float.NaN);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 1).ints(3);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 1);
        ops.forward(logits.tensor, at.tensor, 0f, losses.tensor);
        assertThat(losses.get(0, 0)).isNaN();
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void refusesLabelsOutsideTheVocabulary() {
        Matrix logits = Matrix.contiguous(device, DType.F32, 1, 10).random(1, 1);
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 1).ints(10);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 1);
        assertThatThrownBy(() -> ops.forward(logits.tensor, at.tensor, 0f, losses.tensor))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("the label of row 0 is 10, neither -100 nor one of 0 to 9");
    }

    @Test
    @Tag(TestDevice.CPU_ONLY)
    void sameBitsBeforeAndAfterCompilation() {
        Matrix at = Matrix.contiguous(device, DType.I32, 1, 2).ints(5, 60);
        Matrix losses = Matrix.contiguous(device, DType.F32, 1, 2);
        Matrix source = Matrix.contiguous(device, DType.F32, 2, 77).random(3, 4);
        Matrix logits = Matrix.contiguous(device, DType.F32, 2, 77);
        byte[] first = null;
        for (int i = 0; i < 20_000; i++) {
            device.ops().elementwise().cast(source.tensor, logits.tensor);
            ops.forwardBackward(logits.tensor, at.tensor, 20f, 0.1f, 0.5f, losses.tensor);
            first = first == null ? logits.bytes() : first;
            assertThat(Arrays.equals(logits.bytes(), first)).as("call %d", i).isTrue();
        }
    }
}
