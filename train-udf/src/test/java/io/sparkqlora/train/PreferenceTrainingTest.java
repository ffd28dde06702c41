// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Learning from pairs of which one is preferred. */
class PreferenceTrainingTest {

    private static final PreferenceArguments DPO = new PreferenceArguments(0.1, 0);
    private static final double RUN = 1e-4;
    private static final double ADAPTER = 3e-3;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private static Path resource(String name) {
        try {
            return Path.of(PreferenceTrainingTest.class.getResource(name).toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** What torch, transformers and peft made of the same pairs; see preference_reference.py. */
    private record Reference(ParityModel model, PreferenceReference expected) implements AutoCloseable {

        static Reference open() {
            return new Reference(
                    new ParityModel(resource("/parity/llama")),
                    new PreferenceReference(resource("/preference/llama.safetensors")));
        }

        TrainingSession session(Device device, PreferenceArguments preference, ComputeType compute) {
            Adapter initial = model.adapter("adapter_init");
            TrainingArguments arguments = TrainingArguments.builder()
                    .learningRate(5e-3)
                    .maxSteps(12)
                    .weightDecay(0.01)
                    .preference(preference)
                    .build();
            TrainingSession session = TrainingSession.open(
                    device,
                    model.checkpoint().config(),
                    model.checkpoint().weights(),
                    QuantizationConfig.nf4(compute),
                    initial.config(),
                    arguments,
                    expected.tokens());
            session.loadAdapter(initial);
            return session;
        }

        @Override
        public void close() {
            expected.close();
            model.close();
        }
    }

    private static void assertRun(
            TrainingSession session, PreferenceReference expected, String run, int steps, double limit) {
        for (int step = 0; step < steps; step++) {
            StepMetrics metrics = session.step(List.of(expected.rows()));
            assertThat(Distance.relative(metrics.loss(), expected.number(run + ".losses", step)))
                    .as("loss of step %d", step)
                    .isLessThanOrEqualTo(limit);
            assertThat(Distance.relative(metrics.gradNorm(), expected.number(run + ".grad_norms", step)))
                    .as("gradient norm of step %d", step)
                    .isLessThanOrEqualTo(limit);
            List<Double> numbers = metrics.preference().values();
            for (int i = 0; i < numbers.size(); i++) {
                double number = expected.number(run + ".numbers", step * numbers.size() + i);
                assertThat(numbers.get(i))
                        .as("number %d of step %d", i, step)
                        .isCloseTo(number, within(limit * Math.max(1, Math.abs(number))));
            }
        }
    }

    @Test
    void trainsAsPyTorch() {
        try (Reference reference = Reference.open();
                TrainingSession session = reference.session(device, DPO, ComputeType.F32)) {
            assertRun(session, reference.expected(), "dpo", 12, RUN);
            for (NamedTensor tensor : session.adapter().tensors()) {
                float[] expected = reference.expected().floats("final." + tensor.name());
                assertThat(Distance.relativeNorm(ParityModel.floats(tensor), expected))
                        .as(tensor.name())
                        .isLessThanOrEqualTo(ADAPTER);
            }
        }
    }

    @Test
    void labelsMayBeSmoothed() {
        try (Reference reference = Reference.open();
                TrainingSession session =
                        reference.session(device, new PreferenceArguments(0.5, 0.2), ComputeType.F32)) {
            assertRun(session, reference.expected(), "smoothed", 4, RUN);
        }
    }

    @Test
    void trainsInBf16Too() {
        try (Reference reference = Reference.open();
                TrainingSession session = reference.session(device, DPO, ComputeType.BF16)) {
            double last = Double.POSITIVE_INFINITY;
            for (int step = 0; step < 12; step++) {
                StepMetrics metrics = session.step(List.of(reference.expected().rows()));
                double expected = reference.expected().number("dpo.losses", step);
                assertThat(Distance.relative(metrics.loss(), expected)).isLessThanOrEqualTo(5e-2);
                last = metrics.loss();
            }
            assertThat(last).isLessThan(0.2);
        }
    }

    /** What is measured is what a step would measure, and a session without an adapter's effect has ln 2. */
    @Test
    void evaluates() {
        try (Reference reference = Reference.open();
                TrainingSession session = reference.session(device, DPO, ComputeType.F32)) {
            List<PackedRow> rows = reference.expected().rows();
            PreferenceSum before = session.evaluatePairs(rows);
            PreferenceSum parts =
                    session.evaluatePairs(rows.subList(0, 1)).plus(session.evaluatePairs(rows.subList(1, rows.size())));
            StepMetrics step = session.step(List.of(rows));
            assertThat(before.pairs()).isEqualTo(3);
            assertThat(before.loss()).isCloseTo(step.loss(), within(1e-6));
            assertThat(parts.loss()).isCloseTo(step.loss(), within(1e-6));
            for (int i = 0; i < PreferenceMetrics.COUNT; i++) {
                double expected = step.preference().values().get(i);
                assertThat(before.metrics().values().get(i)).isCloseTo(expected, within(1e-4));
            }
            assertThat(session.evaluatePairs(rows).loss()).isLessThan(step.loss());
            assertThat(PreferenceSum.ZERO.loss()).isNaN();
        }
        try (TrainingSession fresh = open(device, arguments(1).build())) {
            PreferenceSum none = fresh.evaluatePairs(List.of(pairs(1, 9, 7)));
            assertThat(none.loss()).isCloseTo(Math.log(2), within(1e-6));
            assertThat(none.metrics().rewardsMargins()).isCloseTo(0, within(1e-5));
        }
    }

    private static TrainingArgumentsBuilder arguments(int ranks) {
        return TestSessions.ARGUMENTS.toBuilder()
                .preference(DPO)
                .gradientAccumulationSteps(4 / ranks)
                .numProcesses(ranks);
    }

    private static TrainingSession open(Device device, TrainingArguments arguments) {
        return TestSessions.open(device, DataParallelTest.DROPPING, arguments);
    }

    /** Pairs of these lengths, each after a prompt of three tokens. */
    private static PackedRow pairs(long seed, int... lengths) {
        Random random = new Random(seed);
        int[] ids = random.ints(Arrays.stream(lengths).sum(), 3, 51).toArray();
        int[] labels = ids.clone();
        int from = 0;
        for (int length : lengths) {
            Arrays.fill(labels, from, from + 3, PackedRow.IGNORE_INDEX);
            from += length;
        }
        return new PackedRow(seed, ids, labels, lengths);
    }

    private static List<List<PackedRow>> batches(long step, Collective collective) {
        List<List<PackedRow>> batches = new ArrayList<>();
        for (int i = collective.rank(); i < 4; i += collective.worldSize()) {
            batches.add(List.of(pairs(10 * step + i, 8 + i, 14), pairs(100 + 10 * step + i, 6, 7, 9, 5 + i)));
        }
        return batches;
    }

    private static List<StepMetrics> train(int ranks) {
        List<Ended<List<StepMetrics>>> all = Ranks.run(ranks, Duration.ofSeconds(60), collective -> {
            try (Device own = Devices.open("cpu");
                    TrainingSession session = open(own, arguments(ranks).build())) {
                List<StepMetrics> steps = new ArrayList<>();
                for (int step = 0; step < 4; step++) {
                    steps.add(session.step(batches(step, collective), collective));
                }
                session.requireSameOnAllRanks(collective);
                return steps;
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        assertThat(all.get(ranks - 1).value().get(3).preference())
                .isEqualTo(all.get(0).value().get(3).preference());
        return all.get(0).value();
    }

    /** With dropout: its masks are the policy's alone, and the same in both passes over the vocabulary. */
    @Test
    void anyNumberOfRanksTakesTheSameSteps() {
        List<StepMetrics> alone = train(1);
        List<StepMetrics> two = train(2);
        for (int step = 0; step < alone.size(); step++) {
            assertThat(two.get(step).loss()).isCloseTo(alone.get(step).loss(), within(1e-5));
            assertThat(two.get(step).gradNorm())
                    .isCloseTo(
                            alone.get(step).gradNorm(),
                            within(1e-4 * alone.get(step).gradNorm()));
            for (int i = 0; i < PreferenceMetrics.COUNT; i++) {
                double expected = alone.get(step).preference().values().get(i);
                assertThat(two.get(step).preference().values().get(i))
                        .isCloseTo(expected, within(1e-4 * Math.max(1, Math.abs(expected))));
            }
        }
    }

    private TrainingState trained(TrainingArguments arguments, boolean interrupted) {
        TrainingState state = null;
        TrainingSession session = open(device, arguments);
        try {
            for (int step = 0; step < 6; step++) {
                if (interrupted && step == 3) {
                    state = session.state();
                    session.close();
                    session = open(device, arguments);
                    session.restore(state);
                }
                // the same shape each time: from the second step on recordings are run
                session.step(List.of(List.of(pairs(step, 9, 14, 6, 7)), List.of(pairs(50 + step, 9, 14, 6, 7))));
            }
            return session.state();
        } finally {
            session.close();
        }
    }

    @Test
    void theSameBitsHoweverItIsRecomputedAndGoneOnWith() {
        TrainingState state = trained(arguments(1).build(), false);
        assertThat(trained(arguments(1).build(), true)).isEqualTo(state);
        for (Recompute recompute : List.of(Recompute.SELECTIVE, Recompute.FULL)) {
            assertThat(trained(arguments(1).recompute(recompute).build(), false))
                    .as("%s", recompute)
                    .isEqualTo(state);
        }
    }

    /** As many tokens as the session was opened for: the arena, which the plan measured, has room for them. */
    @Test
    void theLargestMicroBatchFitsThePlan() {
        try (TrainingSession session = open(device, arguments(1).build())) {
            List<PackedRow> rows = List.of(pairs(1, 16, 16), pairs(2, 16, 16), pairs(3, 16, 16));
            assertThat(rows.stream().mapToInt(PackedRow::numTokens).sum()).isEqualTo(TestSessions.MAX_TOKENS);
            assertThat(session.step(List.of(rows)).loss()).isCloseTo(Math.log(2), within(0.1));
            assertThat(session.evaluatePairs(rows).pairs()).isEqualTo(3);
        }
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() {
        assertThatThrownBy(() -> new PreferenceArguments(0, 0)).hasMessageContaining("beta is 0.0, expected above 0");
        assertThatThrownBy(() -> new PreferenceArguments(0.1, 0.5)).hasMessageContaining("label_smoothing is 0.5");
        assertThatThrownBy(() -> arguments(1).labelSmoothingFactor(0.1).build())
                .hasMessage(
                        "QLORA-T190: label_smoothing_factor is 0.1, which preference training doesn't have; pairs have "
                                + "label_smoothing");
        assertThatThrownBy(() -> arguments(1).neftuneNoiseAlpha(5).build())
                .hasMessageStartingWith("QLORA-T190: neftune_noise_alpha is 5.0");
        assertThatThrownBy(() -> arguments(2).shardBase(true).build())
                .hasMessageStartingWith("QLORA-T190: shard_base is true");
        assertThatThrownBy(() -> MultiAdapterSession.open(
                        device,
                        TinyModels.config(),
                        new ScaledWeights(TinyModels.config()),
                        QuantizationConfig.nf4(ComputeType.F32),
                        TestSessions.LORA,
                        arguments(1).build(),
                        TestSessions.MAX_TOKENS,
                        2))
                .hasMessageStartingWith("QLORA-T191: preference training was asked for of 2 adapters");
        try (TrainingSession session = open(device, arguments(1).build())) {
            assertThatThrownBy(() -> session.step(List.of(List.of(pairs(4, 5, 6, 7)))))
                    .hasMessageStartingWith("QLORA-T192: row 4 has 3 sequences; preference training needs pairs");
            assertThatThrownBy(() -> session.evaluatePairs(List.of(pairs(4, 5, 3))))
                    .hasMessageStartingWith("QLORA-T192: row 4 has 2 sequences");
        }
        try (TrainingSession session = open(device, TestSessions.ARGUMENTS)) {
            assertThatThrownBy(() -> session.evaluatePairs(List.of(pairs(4, 5, 6))))
                    .hasMessageStartingWith("QLORA-T193");
        }
    }
}
