// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class NoiseAndSmoothingTest {

    private static final PackedRow ROW = TestRows.packed(1, 51, 13, 2, 20);
    private static final List<List<PackedRow>> BATCH = List.of(List.of(ROW));
    private static final TrainingArguments PLAIN = TestSessions.ARGUMENTS;
    private static final TrainingArguments NOISY =
            PLAIN.toBuilder().neftuneNoiseAlpha(5).build();

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingSession open(TrainingArguments arguments) {
        return TestSessions.open(device, TestSessions.LORA, arguments);
    }

    /** (1 − s) times the usual loss and s times the mean of −log p over the vocabulary, over the tokens that count. */
    @Test
    void theLossIsTransformersLabelSmoothers() {
        double s = 0.1;
        try (TrainingSession session =
                open(PLAIN.toBuilder().labelSmoothingFactor(s).build())) {
            float[] logits = Probe.logits(session, List.of(ROW), true);
            double sum = 0;
            double mean = 0;
            int counted = 0;
            int start = 0;
            for (int length : ROW.sequenceLengths()) {
                for (int i = start; i + 1 < start + length; i++) {
                    int label = ROW.labels()[i + 1];
                    if (label != PackedRow.IGNORE_INDEX) {
                        double[] negative = negativeLogProbabilities(logits, i);
                        sum += negative[label];
                        mean += Arrays.stream(negative).average().orElseThrow();
                        counted++;
                    }
                }
                start += length;
            }
            LossSum plain = session.evaluate(List.of(ROW), true);
            assertThat(plain.sum()).as("evaluation does not smooth").isCloseTo(sum, within(1e-4));
            assertThat(session.step(BATCH).loss()).isCloseTo(((1 - s) * sum + s * mean) / counted, within(1e-5));
        }
    }

    private static double[] negativeLogProbabilities(float[] logits, int row) {
        int n = TinyModels.config().vocabSize();
        double[] out = new double[n];
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += Math.exp(logits[row * n + i]);
        }
        for (int i = 0; i < n; i++) {
            out[i] = Math.log(sum) - logits[row * n + i];
        }
        return out;
    }

    @ParameterizedTest
    @EnumSource(Recompute.class)
    void noiseIsAFunctionOfSeedAndStep(Recompute recompute) {
        TrainingArguments noisy = NOISY.toBuilder().recompute(recompute).build();
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open(noisy)) {
            session.step(BATCH);
            session.step(BATCH);
            half = session.state();
            session.step(BATCH);
            session.step(BATCH);
            whole = session.state();
        }
        try (TrainingSession session = open(noisy)) {
            session.restore(half);
            session.step(BATCH);
            session.step(BATCH);
            assertThat(session.state()).isEqualTo(whole);
        }
    }

    @Test
    void noiseIsForTrainingAndOfEachStepAnew() {
        TrainingArguments still = NOISY.toBuilder().learningRate(0).build();
        try (TrainingSession noisy = open(still);
                TrainingSession plain = open(PLAIN)) {
            assertThat(noisy.evaluate(List.of(ROW), true)).isEqualTo(plain.evaluate(List.of(ROW), true));
            double first = noisy.step(BATCH).loss();
            double second = noisy.step(BATCH).loss();
            double without = plain.step(BATCH).loss();
            assertThat(first).isNotEqualTo(second).isNotEqualTo(without);
            assertThat(first).isCloseTo(without, within(1.0));
        }
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        assertThatThrownBy(() ->
                        TrainingArguments.builder().labelSmoothingFactor(1).build())
                .hasMessageContaining("label_smoothing_factor is 1.0, expected at least 0 and below 1");
        assertThatThrownBy(
                        () -> TrainingArguments.builder().neftuneNoiseAlpha(-1).build())
                .hasMessageContaining("neftune_noise_alpha is -1.0, expected at least 0");
    }
}
