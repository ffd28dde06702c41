// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QuantFormat;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class TrainingSessionTest {

    private static final LoraConfig DROPPING = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .loraDropout(0.1)
            .targetModules(TargetModules.names("q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"))
            .build();

    /** Of its tensors some have 4,096 elements and more, which 8 bits are for, some fewer. */
    private static final LoraConfig WIDE = LoraConfig.builder()
            .r(128)
            .loraAlpha(128)
            .loraDropout(0.1)
            .targetModules(TargetModules.names("q_proj", "v_proj", "down_proj"))
            .build();

    private static final PackedRow LONG = TestRows.packed(1, 51, 11, 23, 6);
    private static final PackedRow SHORT = TestRows.packed(2, 51, 30);

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void sequencesOfARowDoNotSeeEachOther() {
        try (TrainingSession session = trained(TestSessions.LORA)) {
            List<PackedRow> apart = new ArrayList<>();
            for (int i = 0; i < LONG.sequenceLengths().length; i++) {
                apart.add(TestRows.sequence(LONG, i));
            }
            LossSum packed = session.evaluate(List.of(LONG), true);
            LossSum unpacked = LossSum.ZERO;
            for (PackedRow row : apart) {
                unpacked = unpacked.plus(session.evaluate(List.of(row), true));
            }
            assertThat(packed.numTargetTokens()).isEqualTo(unpacked.numTargetTokens());
            assertThat(packed.sum()).isCloseTo(unpacked.sum(), within(1e-5 * unpacked.sum()));
            List<List<PackedRow>> oneByOne = apart.stream().map(List::of).toList();
            sameGradients(session, List.of(List.of(LONG)), oneByOne);
        }
    }

    @Test
    void accumulationEqualsTheBigBatch() {
        try (TrainingSession session = trained(TestSessions.LORA)) {
            sameGradients(session, List.of(List.of(LONG, SHORT)), List.of(List.of(LONG), List.of(SHORT)));
        }
    }

    private static void sameGradients(TrainingSession session, List<List<PackedRow>> one, List<List<PackedRow>> other) {
        Map<String, float[]> expected = Probe.gradients(session, one, null);
        Map<String, float[]> actual = Probe.gradients(session, other, null);
        expected.forEach((name, gradient) -> assertThat(Distance.relativeNorm(actual.get(name), gradient))
                .as(name)
                .isLessThan(1e-4));
    }

    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void recomputePoliciesGiveTheSameBits(ComputeType compute) {
        TrainingState none = afterThreeSteps(compute, Recompute.NONE);
        assertThat(afterThreeSteps(compute, Recompute.SELECTIVE)).isEqualTo(none);
        assertThat(afterThreeSteps(compute, Recompute.FULL)).isEqualTo(none);
    }

    private TrainingState afterThreeSteps(ComputeType compute, Recompute recompute) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
        try (TrainingSession session =
                TestSessions.open(device, QuantizationConfig.nf4(compute), DROPPING, arguments)) {
            steps(session, 3);
            return session.state();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "F32, ADAMW_TORCH",
        "BF16, ADAMW_TORCH",
        "BF16, ADAMW_8BIT",
        "BF16, PAGED_ADAMW_8BIT",
        "F16, ADAMW_TORCH"
    })
    void aRestoredRunGoesOnBitForBit(ComputeType compute, Optim optim) {
        QuantizationConfig quantization = QuantizationConfig.nf4(compute);
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().optim(optim).build();
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = TestSessions.open(device, quantization, WIDE, arguments)) {
            steps(session, 2);
            half = session.state();
            steps(session, 3);
            whole = session.state();
        }
        try (TrainingSession session = TestSessions.open(device, quantization, WIDE, arguments)) {
            session.restore(half);
            assertThat(session.state()).isEqualTo(half);
            steps(session, 3);
            assertThat(session.state()).isEqualTo(whole);
        }
    }

    /** Where moments are kept changes nothing; how does, a little. */
    @Test
    void pagedMomentsGiveTheSameBits() {
        TrainingState torch = afterThreeSteps(Optim.ADAMW_TORCH);
        TrainingState in8bit = afterThreeSteps(Optim.ADAMW_8BIT);
        assertThat(afterThreeSteps(Optim.PAGED_ADAMW_32BIT)).isEqualTo(torch);
        assertThat(afterThreeSteps(Optim.PAGED_ADAMW_8BIT)).isEqualTo(in8bit);
        double difference = 0;
        for (int i = 0; i < torch.tensors().size(); i++) {
            NamedTensor tensor = torch.tensors().get(i);
            if (tensor.name().startsWith("base_model.")) {
                float[] expected = ParityModel.floats(tensor);
                float[] got = ParityModel.floats(in8bit.tensors().get(i));
                difference = Math.max(difference, Distance.relativeNorm(got, expected));
            }
        }
        assertThat(difference).isBetween(1e-6, 0.1);
    }

    private TrainingState afterThreeSteps(Optim optim) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().optim(optim).build();
        try (TrainingSession session =
                TestSessions.open(device, QuantizationConfig.nf4(ComputeType.F32), WIDE, arguments)) {
            steps(session, 3);
            return session.state();
        }
    }

    /** bitsandbytes' layout: codes with a scale for 256 elements of a tensor, small tensors in 32 bits. */
    @Test
    void momentsOf8BitsHaveTheirNamesAndTypes() {
        for (NamedTensor tensor : afterThreeSteps(Optim.PAGED_ADAMW_8BIT).tensors()) {
            long elements = Arrays.stream(tensor.shape()).reduce(1, (a, b) -> a * b);
            if (tensor.name().startsWith("base_model.")) {
                assertThat(tensor.dtype()).isEqualTo(DType.F32);
            } else if (tensor.name().contains("_absmax.")) {
                assertThat(tensor.dtype()).isEqualTo(DType.F32);
                assertThat(tensor.shape()).hasSize(1);
                assertThat(elements).isBetween(16L, 24L);
            } else {
                assertThat(tensor.dtype()).isEqualTo(elements < 4096 ? DType.F32 : DType.U8);
            }
        }
    }

    @Test
    void aStateOfAnotherOptimizerIsRefused() {
        TrainingState torch = afterThreeSteps(Optim.ADAMW_TORCH);
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().optim(Optim.ADAMW_8BIT).build();
        try (TrainingSession session =
                TestSessions.open(device, QuantizationConfig.nf4(ComputeType.F32), WIDE, arguments)) {
            assertThatThrownBy(() -> session.restore(torch))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("exp_avg.base_model")
                    .hasMessageContaining("expected U8 [");
        }
    }

    @Test
    void aSeedGivesOneAdapterAndAnotherSeedAnother() {
        TrainingArguments other = TestSessions.ARGUMENTS.toBuilder().seed(8).build();
        assertThat(fresh(TestSessions.ARGUMENTS)).isEqualTo(fresh(TestSessions.ARGUMENTS));
        assertThat(fresh(other)).isNotEqualTo(fresh(TestSessions.ARGUMENTS));
    }

    private List<NamedTensor> fresh(TrainingArguments arguments) {
        try (TrainingSession session = TestSessions.open(device, TestSessions.LORA, arguments)) {
            return session.adapter().tensors();
        }
    }

    @Test
    void aFreshAdapterBeginsAsPeftInitialisesIt() {
        for (NamedTensor tensor : fresh(TestSessions.ARGUMENTS)) {
            float[] values = ParityModel.floats(tensor);
            if (tensor.name().endsWith("lora_B.weight")) {
                assertThat(values).containsOnly(0f);
            } else {
                float bound = (float) (1 / Math.sqrt(tensor.shape()[1]));
                double squares = 0;
                for (float value : values) {
                    assertThat(Math.abs(value)).isLessThanOrEqualTo(bound);
                    squares += (double) value * value;
                }
                assertThat(squares / values.length).isCloseTo(bound * bound / 3, within(0.1 * bound * bound));
            }
        }
    }

    /** Normal, of deviation 1/r: mean, variance and fourth moment of some ten thousand numbers; B is zero. */
    @Test
    void aGaussianAdapterBeginsAsPeftInitialisesIt() {
        LoraConfig gaussian = LoraConfig.builder()
                .r(128)
                .targetModules(TargetModules.names("q_proj", "down_proj"))
                .layers(new LayerChoice(null, List.of(1), List.of()))
                .initLoraWeights(InitLoraWeights.GAUSSIAN)
                .build();
        try (TrainingSession session = TestSessions.open(device, gaussian, TestSessions.ARGUMENTS)) {
            assertThat(session.adapter().tensors()).hasSize(4).allMatch(tensor -> tensor.name()
                    .contains("layers.1."));
            for (NamedTensor tensor : session.adapter().tensors()) {
                float[] values = ParityModel.floats(tensor);
                double[] moments = new double[5];
                for (float value : values) {
                    for (int i = 1; i < moments.length; i++) {
                        moments[i] += Math.pow(value * 128, i) / values.length;
                    }
                }
                boolean a = tensor.name().contains("lora_A");
                assertThat(moments[1]).isCloseTo(0, within(a ? 0.05 : 0));
                assertThat(moments[2]).isCloseTo(a ? 1 : 0, within(a ? 0.06 : 0));
                assertThat(moments[4]).isCloseTo(a ? 3 : 0, within(a ? 0.5 : 0));
            }
        }
    }

    @Test
    void trainingLowersTheLossAndLeavesTheBaseAlone() {
        try (TrainingSession session = TestSessions.open(device, TestSessions.LORA, TestSessions.ARGUMENTS)) {
            List<PackedRow> rows = List.of(LONG, SHORT);
            double before = session.evaluate(rows, false).mean();
            assertThat(session.evaluate(rows, true).mean()).isEqualTo(before);
            List<StepMetrics> metrics = steps(session, 10);
            assertThat(metrics.get(0).loss()).isCloseTo(before, within(1e-5 * before));
            assertThat(metrics.get(9).loss()).isLessThan(before);
            assertThat(session.evaluate(rows, true).mean())
                    .isLessThan(metrics.get(9).loss());
            assertThat(session.evaluate(rows, false).mean()).isEqualTo(before);
        }
    }

    @Test
    void metricsCountTokensAndFollowTheSchedule() {
        try (TrainingSession session = TestSessions.open(device, TestSessions.LORA, TestSessions.ARGUMENTS)) {
            StepMetrics second = steps(session, 2).get(1);
            assertThat(second.step()).isEqualTo(2);
            assertThat(second.learningRate()).isCloseTo(1e-2 * 19 / 20, within(1e-15));
            assertThat(second.numTokens()).isEqualTo(70);
            assertThat(second.numTargetTokens())
                    .isEqualTo(session.evaluate(List.of(LONG, SHORT), true).numTargetTokens());
            assertThat(second.gradNorm()).isPositive();
        }
    }

    @Test
    void evaluationSplitsRowsAtTheTokenLimit() {
        try (TrainingSession session = trained(TestSessions.LORA)) {
            List<PackedRow> rows = List.of(LONG, SHORT, LONG, SHORT, SHORT);
            LossSum parts = LossSum.ZERO;
            for (PackedRow row : rows) {
                parts = parts.plus(session.evaluate(List.of(row), true));
            }
            LossSum together = session.evaluate(rows, true);
            assertThat(together.numTargetTokens()).isEqualTo(parts.numTargetTokens());
            assertThat(together.sum()).isCloseTo(parts.sum(), within(1e-5 * parts.sum()));
        }
    }

    @Test
    void bf16IsCloseToF32() {
        try (TrainingSession exact = TestSessions.open(device, TestSessions.LORA, TestSessions.ARGUMENTS);
                TrainingSession rounded = TestSessions.open(
                        device, QuantizationConfig.nf4(ComputeType.BF16), TestSessions.LORA, TestSessions.ARGUMENTS)) {
            for (int i = 0; i < 5; i++) {
                StepMetrics expected = steps(exact, 1).get(0);
                StepMetrics actual = steps(rounded, 1).get(0);
                assertThat(actual.loss()).isCloseTo(expected.loss(), within(0.02 * expected.loss()));
                assertThat(actual.gradNorm()).isCloseTo(expected.gradNorm(), within(0.1 * expected.gradNorm()));
                assertThat(actual.loss()).isNotEqualTo(expected.loss());
            }
        }
    }

    /** A long session has the device record its micro-batches from the second of a shape on, a fresh one issues its first. */
    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void recordedStepsGiveTheBitsOfStepsThatAreIssued(ComputeType compute) {
        QuantizationConfig quantization = QuantizationConfig.nf4(compute);
        try (TrainingSession recorded = TestSessions.open(device, quantization, DROPPING, TestSessions.ARGUMENTS)) {
            for (int step = 0; step < 4; step++) {
                TrainingState before = recorded.state();
                List<List<PackedRow>> batch = sameShapes(step);
                StepMetrics metrics = recorded.step(batch);
                try (TrainingSession fresh =
                        TestSessions.open(device, quantization, DROPPING, TestSessions.ARGUMENTS)) {
                    fresh.restore(before);
                    StepMetrics expected = fresh.step(batch);
                    assertThat(metrics.loss()).isEqualTo(expected.loss());
                    assertThat(metrics.gradNorm()).isEqualTo(expected.gradNorm());
                    assertThat(recorded.state()).isEqualTo(fresh.state());
                }
            }
        }
    }

    /** Micro-batches of three sequences, then of two, then of three again; other tokens in each step. */
    private static List<List<PackedRow>> sameShapes(int step) {
        return List.of(
                List.of(allCount(TestRows.packed(100 + step, 51, 11, 23, 6))),
                List.of(allCount(TestRows.packed(200 + step, 51, 17, 23))),
                List.of(allCount(TestRows.packed(300 + step, 51, 11, 23, 6))));
    }

    private static PackedRow allCount(PackedRow row) {
        return new PackedRow(row.rowIndex(), row.inputIds(), row.inputIds(), row.sequenceLengths());
    }

    @Test
    void dropoutIsAFunctionOfSeedStepAndMicroBatch() {
        try (TrainingSession session = trained(DROPPING)) {
            List<List<PackedRow>> batch = List.of(List.of(SHORT));
            double loss = Probe.accumulate(session, batch, new DropoutMasks.Draw(0.3f, 0f, 1, 4, 0));
            assertThat(Probe.accumulate(session, batch, new DropoutMasks.Draw(0.3f, 0f, 1, 4, 0)))
                    .isEqualTo(loss);
            assertThat(Probe.accumulate(session, batch, new DropoutMasks.Draw(0.3f, 0f, 2, 4, 0)))
                    .isNotEqualTo(loss);
            assertThat(Probe.accumulate(session, batch, new DropoutMasks.Draw(0.3f, 0f, 1, 5, 0)))
                    .isNotEqualTo(loss);
            assertThat(Probe.accumulate(session, batch, new DropoutMasks.Draw(0.3f, 0f, 1, 4, 1)))
                    .isNotEqualTo(loss);
        }
    }

    @Test
    void aDenseBaseAndFp4Train() {
        QuantizationConfig fp4 = new QuantizationConfig(true, QuantFormat.Type.FP4, false, 128, ComputeType.F32);
        for (QuantizationConfig quantization : List.of(QuantizationConfig.dense(ComputeType.BF16), fp4)) {
            try (TrainingSession session =
                    TestSessions.open(device, quantization, TestSessions.LORA, TestSessions.ARGUMENTS)) {
                List<StepMetrics> metrics = steps(session, 8);
                assertThat(metrics.get(7).loss()).isLessThan(metrics.get(0).loss());
            }
        }
    }

    /** A session whose adapter does something. */
    private TrainingSession trained(LoraConfig lora) {
        TrainingSession session = TestSessions.open(device, lora, TestSessions.ARGUMENTS);
        steps(session, 3);
        return session;
    }

    private static List<StepMetrics> steps(TrainingSession session, int count) {
        List<StepMetrics> metrics = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            metrics.add(session.step(List.of(List.of(LONG), List.of(SHORT))));
        }
        return metrics;
    }
}
