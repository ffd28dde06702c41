// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * Learning from pairs with an adapter on the output projection too, over a vocabulary so large that the logits of a micro-batch come in
 * several chunks of 256 rows, whose borders lie inside sequences.
 */
class PreferenceHeadTest {

    private static final int VOCABULARY = 1 << 17;
    private static final int PAIRS = 4;

    /** A pair's 110 targets are one chunk, those of all pairs are two. */
    private static final int LENGTH = 58;

    private static final int PROMPT = 3;
    private static final ModelConfig MODEL = ModelConfig.parse(
            TinyModels.CONFIG.replace("\"vocab_size\": 51", "\"vocab_size\": " + VOCABULARY), "large vocabulary");

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingSession open(double dropout, int accumulation) {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraAlpha(8)
                .loraDropout(dropout)
                .targetModules(TargetModules.names("lm_head", "q_proj", "down_proj"))
                .build();
        TrainingArguments arguments = TrainingArguments.builder()
                .learningRate(0.5)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(8)
                .maxGradNorm(0)
                .optim(Optim.SGD)
                .preference(new PreferenceArguments(0.1, 0))
                .gradientAccumulationSteps(accumulation)
                .seed(7)
                .build();
        return TrainingSession.open(
                device,
                MODEL,
                new ScaledWeights(MODEL),
                QuantizationConfig.nf4(ComputeType.F32),
                lora,
                arguments,
                2 * PAIRS * LENGTH);
    }

    private static PackedRow pair(long seed) {
        int[] ids = new Random(seed).ints(2 * LENGTH, 3, VOCABULARY).toArray();
        int[] labels = ids.clone();
        Arrays.fill(labels, 0, PROMPT, PackedRow.IGNORE_INDEX);
        Arrays.fill(labels, LENGTH, LENGTH + PROMPT, PackedRow.IGNORE_INDEX);
        return new PackedRow(seed, ids, labels, new int[] {LENGTH, LENGTH});
    }

    private static List<PackedRow> pairs() {
        List<PackedRow> rows = new ArrayList<>();
        for (int i = 0; i < PAIRS; i++) {
            rows.add(pair(i));
        }
        return rows;
    }

    /** The mean over the pairs of a step is the same in one micro-batch, whose targets are cut, and in one for each pair. */
    @Test
    void severalChunksAreTheStepOfPairsOneByOne() {
        try (TrainingSession together = open(0, 1);
                TrainingSession apart = open(0, PAIRS)) {
            for (int step = 0; step < 4; step++) {
                StepMetrics one = together.step(List.of(pairs()));
                StepMetrics other = apart.step(pairs().stream().map(List::of).toList());
                assertThat(one.loss()).isCloseTo(other.loss(), within(1e-5 * other.loss()));
                assertThat(one.gradNorm()).isCloseTo(other.gradNorm(), within(1e-4 * other.gradNorm()));
                for (int i = 0; i < PreferenceMetrics.COUNT; i++) {
                    double expected = other.preference().values().get(i);
                    assertThat(one.preference().values().get(i))
                            .isCloseTo(expected, within(1e-5 * Math.max(1, Math.abs(expected))));
                }
            }
            List<NamedTensor> expected = apart.adapter().tensors();
            for (int i = 0; i < expected.size(); i++) {
                float[] actual = ParityModel.floats(together.adapter().tensors().get(i));
                assertThat(Distance.relativeNorm(actual, ParityModel.floats(expected.get(i))))
                        .as(expected.get(i).name())
                        .isLessThan(1e-4);
            }
            assertThat(together.evaluatePairs(pairs()).loss())
                    .isCloseTo(apart.evaluatePairs(pairs()).loss(), within(1e-5))
                    .isLessThan(Math.log(2));
        }
    }

    /**
     * The loss along the step's gradient, to both sides: its slope is the gradient's norm. Masks of dropout are those of the step in
     * each pass over the vocabulary.
     */
    @Test
    void theGradientIsTheLossesSlope() {
        Adapter start;
        try (TrainingSession session = open(0.3, 1)) {
            session.step(List.of(pairs()));
            session.step(List.of(pairs()));
            start = session.adapter();
        }
        double norm;
        Adapter after;
        try (TrainingSession session = open(0.3, 1)) {
            session.loadAdapter(start);
            norm = session.step(List.of(pairs())).gradNorm();
            after = session.adapter();
        }
        // after = start - 0.5 · gradient
        double step = 0.004 / norm / norm;
        double up = loss(moved(start, after, -2 * step));
        double down = loss(moved(start, after, 2 * step));
        System.out.printf("slope %.6f, norm² %.6f%n", (up - down) / (2 * step), norm * norm);
        assertThat((up - down) / (2 * step)).isCloseTo(norm * norm, within(5e-3 * norm * norm));
    }

    private double loss(Adapter adapter) {
        try (TrainingSession session = open(0.3, 1)) {
            session.loadAdapter(adapter);
            return session.step(List.of(pairs())).loss();
        }
    }

    /** {@code from + factor · (to - from)}. */
    private static Adapter moved(Adapter from, Adapter to, double factor) {
        List<NamedTensor> tensors = new ArrayList<>();
        for (int i = 0; i < from.tensors().size(); i++) {
            NamedTensor tensor = from.tensors().get(i);
            float[] a = ParityModel.floats(tensor);
            float[] b = ParityModel.floats(to.tensors().get(i));
            ByteBuffer data = ByteBuffer.allocate(a.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (int j = 0; j < a.length; j++) {
                data.putFloat((float) (a[j] + factor * ((double) b[j] - a[j])));
            }
            tensors.add(new NamedTensor(tensor.name(), DType.F32, tensor.shape(), data.array()));
        }
        return new Adapter(from.config(), from.baseModelNameOrPath(), tensors);
    }
}
