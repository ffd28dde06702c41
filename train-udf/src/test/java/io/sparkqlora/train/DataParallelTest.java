// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

/** Ranks as threads, each with a device and a session of its own. */
class DataParallelTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    static final int STEPS = 4;
    private static final int BATCHES = 4;

    static final LoraConfig DROPPING = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .loraDropout(0.1)
            .targetModules(TargetModules.allLinear())
            .build();

    /** A piece of its own for each layer's gradients. */
    private static final LoraConfig WIDE = LoraConfig.builder()
            .r(256)
            .loraAlpha(256)
            .targetModules(TargetModules.allLinear())
            .build();

    /** What a rank saw. */
    record Curve(List<StepMetrics> steps, TrainingState state) {}

    @Test
    void anyNumberOfRanksTakesTheSameSteps() {
        anyNumberOfRanksTakesTheSameSteps(DROPPING, 2, 3, 4);
    }

    @Test
    void gradientsThatAreAddedUpLayerByLayerTakeTheSameSteps() {
        anyNumberOfRanksTakesTheSameSteps(WIDE, 2);
    }

    private static void anyNumberOfRanksTakesTheSameSteps(LoraConfig lora, int... numbers) {
        Curve alone = train(1, lora).get(0);
        for (int ranks : numbers) {
            List<Curve> all = train(ranks, lora);
            for (int step = 0; step < STEPS; step++) {
                StepMetrics expected = alone.steps().get(step);
                StepMetrics got = all.get(0).steps().get(step);
                assertThat(got.loss()).isCloseTo(expected.loss(), within(1e-5 * expected.loss()));
                assertThat(got.gradNorm()).isCloseTo(expected.gradNorm(), within(1e-4 * expected.gradNorm()));
                assertThat(got.numTokens()).isEqualTo(expected.numTokens());
                assertThat(got.numTargetTokens()).isEqualTo(expected.numTargetTokens());
            }
            for (Curve rank : all) {
                assertThat(rank.state()).isEqualTo(all.get(0).state());
                assertThat(rank.steps().get(STEPS - 1).loss())
                        .isEqualTo(all.get(0).steps().get(STEPS - 1).loss());
            }
            assertThat(train(ranks, lora).get(0).state()).isEqualTo(all.get(0).state());
        }
    }

    private static List<Curve> train(int ranks, LoraConfig lora) {
        return train(ranks, lora, rank -> Devices.open("cpu"));
    }

    static List<Curve> train(int ranks, LoraConfig lora, IntFunction<Device> devices) {
        List<Ended<Curve>> all = Ranks.run(ranks, TIMEOUT, collective -> {
            try (Device device = devices.apply(collective.rank());
                    TrainingSession session = TestSessions.open(device, lora, arguments(ranks))) {
                List<StepMetrics> steps = new ArrayList<>();
                for (int step = 0; step < STEPS; step++) {
                    steps.add(session.step(batches(step, collective), collective));
                }
                session.requireSameOnAllRanks(collective);
                return new Curve(steps, session.state());
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.stream().map(Ended::value).toList();
    }

    private static TrainingArguments arguments(int ranks) {
        return TestSessions.ARGUMENTS.toBuilder()
                .perDeviceTrainBatchSize(2)
                .gradientAccumulationSteps((BATCHES + ranks - 1) / ranks)
                .numProcesses(ranks)
                .build();
    }

    /** Batch i of rank r is batch i·N + r of the step; three ranks don't share four evenly, and the third has no target. */
    private static List<List<PackedRow>> batches(long step, Collective collective) {
        List<List<PackedRow>> batches = new ArrayList<>();
        for (int i = collective.rank(); i < BATCHES; i += collective.worldSize()) {
            PackedRow row = TestRows.packed(100 * step + i, 51, 9 + i, 14);
            batches.add(i == 2 ? List.of(withoutTargets(row)) : List.of(row));
        }
        return batches;
    }

    private static PackedRow withoutTargets(PackedRow row) {
        int[] labels = new int[row.numTokens()];
        java.util.Arrays.fill(labels, PackedRow.IGNORE_INDEX);
        return new PackedRow(row.rowIndex(), row.inputIds(), labels, row.sequenceLengths());
    }

    @Test
    void aRankWithoutRowsTakesPart() {
        // four batches of a short last step, five ranks
        List<Curve> all = train(5, TestSessions.LORA);
        assertThat(all.get(4).state()).isEqualTo(all.get(0).state());
        assertThat(all.get(4).steps().get(0).loss())
                .isCloseTo(train(1, TestSessions.LORA).get(0).steps().get(0).loss(), within(1e-5));
    }

    @Test
    void allRanksNoticeTogetherThatAStepDiverges() {
        TrainingArguments wild =
                arguments(2).toBuilder().learningRate(1e38).maxGradNorm(0).build();
        List<Ended<Long>> all = Ranks.run(2, TIMEOUT, collective -> {
            try (Device device = Devices.open("cpu");
                    TrainingSession session = TestSessions.open(device, TestSessions.LORA, wild)) {
                assertThatThrownBy(() -> {
                            for (int step = 0; step < STEPS; step++) {
                                session.step(batches(step, collective), collective);
                            }
                        })
                        .isInstanceOfSatisfying(
                                QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.DIVERGED))
                        .hasMessageContaining("gave loss NaN");
                return session.stepsDone();
            }
        });
        assertThat(all.get(0).value()).isEqualTo(all.get(1).value()).isBetween(1L, 3L);
    }

    @Test
    void aBadRowOfOneRankEndsAllWithItsErrorAndChangesNothing() {
        List<Ended<Void>> all = Ranks.run(3, TIMEOUT, collective -> {
            try (Device device = Devices.open("cpu");
                    TrainingSession session = TestSessions.open(device, TestSessions.LORA, arguments(3))) {
                TrainingState before = session.state();
                int token = collective.rank() == 1 ? 51 : 3;
                PackedRow row = PackedRow.single(9, new int[] {3, token, 4}, new int[] {3, 4, 4});
                String start = collective.rank() == 1 ? "QLORA-T059: row 9" : "QLORA-T059: rank 1: row 9";
                assertThatThrownBy(() -> session.step(List.of(List.of(row)), collective))
                        .hasMessageStartingWith(start);
                assertThat(session.state()).isEqualTo(before);
                return null;
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
    }

    @Test
    void ranksThatAreNotTheSameAreFoundOut() {
        List<Ended<Void>> all = Ranks.run(2, TIMEOUT, collective -> {
            TrainingArguments other =
                    arguments(2).toBuilder().seed(collective.rank()).build();
            try (Device device = Devices.open("cpu");
                    TrainingSession session = TestSessions.open(device, TestSessions.LORA, other)) {
                session.requireSameOnAllRanks(collective);
                return null;
            }
        });
        // a rank may hear of it from the other before it has found out by itself
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure())
                .hasMessageStartingWith("QLORA-T109: ")
                .hasMessageContaining("after step 0 the parameters of rank 1 ("));
    }

    @Test
    void aSessionForAnotherNumberOfRanksIsRefused() {
        try (Device device = Devices.open("cpu");
                TrainingSession session = TestSessions.open(device, TestSessions.LORA, arguments(2))) {
            assertThatThrownBy(() -> session.step(List.of()))
                    .hasMessageStartingWith("QLORA-T110: the session was opened for num_processes 2, but 1 ranks");
        }
    }
}
