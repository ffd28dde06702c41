// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Training in float16, whose loss is scaled. */
class LossScalingTest {

    private static final QuantizationConfig F16 = QuantizationConfig.nf4(ComputeType.F16);

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private static List<List<PackedRow>> rows(int step) {
        return List.of(List.of(TestRows.packed(step, 51, 11, 23)), List.of(TestRows.packed(step + 50, 51, 30)));
    }

    private TrainingSession open() {
        return TestSessions.open(device, F16, TestSessions.LORA, TestSessions.ARGUMENTS);
    }

    @Test
    void isCloserToF32ThanBf16() {
        QuantizationConfig f32 = QuantizationConfig.nf4(ComputeType.F32);
        try (TrainingSession exact = TestSessions.open(device, f32, TestSessions.LORA, TestSessions.ARGUMENTS);
                TrainingSession rounded = open()) {
            for (int step = 0; step < 5; step++) {
                StepMetrics expected = exact.step(rows(step));
                StepMetrics actual = rounded.step(rows(step));
                assertThat(actual.loss()).isCloseTo(expected.loss(), within(2e-3 * expected.loss()));
                assertThat(actual.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-2 * expected.gradNorm()));
                assertThat(actual.loss()).isNotEqualTo(expected.loss());
                assertThat(actual.lossScale()).isEqualTo(65536.0);
                assertThat(expected.lossScale()).isNull();
            }
        }
    }

    /** A skipped step counts, but not for the schedule, the optimizer and the adapter. */
    @Test
    void aStepThatOverflowsIsSkippedAndHalvesTheScale() {
        try (TrainingSession session = open();
                TrainingSession other = open()) {
            session.step(rows(0));
            other.step(rows(0));
            TrainingState before = session.state();
            session.restore(Scales.with(before, Scales.TOO_LARGE));
            StepMetrics skipped = session.step(rows(1));
            assertThat(skipped.step()).isEqualTo(2);
            assertThat(skipped.gradNorm()).isNotFinite();
            assertThat(skipped.lossScale()).isEqualTo(Scales.TOO_LARGE);
            assertThat(session.stepsDone()).isEqualTo(2);
            assertThat(Scales.others(session.state())).isEqualTo(Scales.others(before));
            assertThat(Scales.of(session.state())).containsExactly(Scales.TOO_LARGE / 2, 0.0, 1.0);
            session.restore(Scales.with(session.state(), 65536));
            StepMetrics again = session.step(rows(1));
            StepMetrics expected = other.step(rows(1));
            assertThat(again.step()).isEqualTo(3);
            assertThat(again.loss()).isEqualTo(expected.loss());
            assertThat(again.learningRate()).isEqualTo(expected.learningRate());
            assertThat(Scales.others(session.state())).isEqualTo(Scales.others(other.state()));
            assertThat(Scales.of(session.state())).containsExactly(65536.0, 1.0, 1.0);
        }
    }

    /** However often the scale has to be halved first: the run goes on by itself. */
    @Test
    void aScaleThatIsTooLargeFindsItsWayDown() {
        TrainingArguments arguments = TestSessions.ARGUMENTS.withMaxSteps(100);
        try (TrainingSession session = TestSessions.open(device, F16, TestSessions.LORA, arguments)) {
            session.restore(Scales.with(session.state(), 0x1p40));
            double first = session.evaluate(rows(0).get(0), true).mean();
            int skipped = 0;
            while (!Double.isFinite(session.step(rows(0)).gradNorm())) {
                skipped++;
            }
            assertThat(skipped).isBetween(10, 40);
            assertThat(Scales.of(session.state()))
                    .containsExactly(Math.scalb(1.0, 40 - skipped), 1.0, (double) skipped);
            for (int step = 0; step < 5; step++) {
                assertThat(session.step(rows(0)).gradNorm()).isFinite();
            }
            assertThat(session.evaluate(rows(0).get(0), true).mean()).isLessThan(first);
        }
    }

    @Test
    void aRunThatSkippedAStepGoesOnBitForBit() {
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open()) {
            session.step(rows(0));
            session.restore(Scales.with(session.state(), Scales.TOO_LARGE));
            session.step(rows(1));
            session.restore(Scales.with(session.state(), 4096));
            session.step(rows(2));
            half = session.state();
            session.step(rows(3));
            session.step(rows(4));
            whole = session.state();
        }
        try (TrainingSession session = open()) {
            session.restore(half);
            assertThat(session.state()).isEqualTo(half);
            session.step(rows(3));
            session.step(rows(4));
            assertThat(session.state()).isEqualTo(whole);
        }
    }

    @Test
    void aLoadedAdapterBeginsWithAFreshScale() {
        try (TrainingSession session = open()) {
            List<Double> fresh = Scales.of(session.state());
            session.restore(Scales.with(session.state(), Scales.TOO_LARGE));
            session.step(rows(0));
            session.loadAdapter(session.adapter());
            assertThat(Scales.of(session.state())).isEqualTo(fresh);
        }
    }

    /** Gradients that overflow whatever the scale: the adapter has diverged. */
    @Test
    void aScaleThatComesToNothingEndsTheRun() {
        try (TrainingSession session = open()) {
            session.restore(Scales.with(session.state(), 0x1p-13));
            TrainingState before = session.state();
            try (TrainingSession broken =
                    TestSessions.open(Overflowing.on(device), F16, TestSessions.LORA, TestSessions.ARGUMENTS)) {
                broken.restore(before);
                assertThatThrownBy(() -> broken.step(rows(0)))
                        .hasMessageStartingWith("QLORA-T165: step 1 gave loss ")
                        .hasMessageContaining("had fallen to 1.220703125E-4");
                assertThat(broken.state()).isEqualTo(before);
            }
        }
    }

    @Test
    void aStateOfAnotherTypeIsRefused() {
        QuantizationConfig bf16 = QuantizationConfig.nf4(ComputeType.BF16);
        try (TrainingSession session = open();
                TrainingSession other = TestSessions.open(device, bf16, TestSessions.LORA, TestSessions.ARGUMENTS)) {
            TrainingState state = other.state();
            assertThatThrownBy(() -> session.restore(state))
                    .hasMessageContaining("the training state does not fit this run: grad_scaler is missing");
        }
    }

    @Test
    void allRanksSkipTogether() {
        List<Ended<TrainingState>> all = Ranks.run(2, Duration.ofSeconds(60), collective -> {
            TrainingArguments arguments =
                    TestSessions.ARGUMENTS.toBuilder().numProcesses(2).build();
            try (Device own = Devices.open("cpu");
                    TrainingSession session = TestSessions.open(own, F16, TestSessions.LORA, arguments)) {
                session.restore(Scales.with(session.state(), Scales.TOO_LARGE));
                session.step(List.of(rows(0).get(collective.rank())), collective);
                session.restore(Scales.with(session.state(), 65536));
                session.step(List.of(rows(1).get(collective.rank())), collective);
                session.requireSameOnAllRanks(collective);
                return session.state();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        assertThat(all.get(1).value()).isEqualTo(all.get(0).value());
        assertThat(Scales.of(all.get(0).value())).containsExactly(65536.0, 1.0, 1.0);
    }

    /** Each adapter of several has a scale of its own, and what one skips the others don't. */
    @Test
    void adaptersThatAreTrainedTogetherHaveTheirOwn() {
        List<List<NamedTensor>> alone = new ArrayList<>();
        try (MultiAdapterSession session = TestTenants.open(device, F16, TestSessions.LORA, TestTenants.arguments(0))) {
            start(session);
            session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
            session.step(TestTenants.together(1, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
            alone.add(session.state(0).tensors());
            alone.add(session.state(2).tensors());
            start(session);
            session.step(TestTenants.together(0, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
            TrainingState before = session.state(1);
            session.restore(1, Scales.with(before, Scales.TOO_LARGE));
            Map<Integer, SlotOutcome> outcomes = session.step(TestTenants.together(1, 0, 1, 2));
            assertThat(outcomes.get(1).orThrow().gradNorm()).isNotFinite();
            assertThat(outcomes.get(1).orThrow().step()).isEqualTo(2);
            assertThat(outcomes.get(0).orThrow().lossScale()).isEqualTo(65536.0);
            assertThat(List.of(session.state(0).tensors(), session.state(2).tensors()))
                    .isEqualTo(alone);
            assertThat(Scales.others(session.state(1))).isEqualTo(Scales.others(before));
            assertThat(Scales.of(session.state(1))).containsExactly(Scales.TOO_LARGE / 2, 0.0, 1.0);
            session.start(1, TestTenants.arguments(1));
            assertThat(Scales.of(session.state(1))).containsExactly(65536.0, 0.0, 0.0);
        }
    }

    private static void start(MultiAdapterSession session) {
        for (int slot = 0; slot < TestTenants.COUNT; slot++) {
            session.start(slot, TestTenants.arguments(slot));
        }
    }
}
