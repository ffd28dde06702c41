// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** DoRA through sessions; {@link PeftVariantsTest} holds its numbers against peft. */
class DoraTest {

    private static final LoraConfig DORA = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .useDora(true)
            .targetModules(TargetModules.names("q_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "lm_head"))
            .build();

    private static final LoraConfig DROPPING = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .loraDropout(0.1)
            .useDora(true)
            .targetModules(TargetModules.names("q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"))
            .build();

    private static final List<PackedRow> ROWS = List.of(TestRows.packed(1, 51, 11, 23, 6), TestRows.packed(2, 51, 30));

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private TrainingSession open(ComputeType compute, LoraConfig lora, Recompute recompute) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
        return TestSessions.open(device, QuantizationConfig.nf4(compute), lora, arguments);
    }

    private static TrainingState steps(TrainingSession session, int count) {
        for (int i = 0; i < count; i++) {
            session.step(List.of(ROWS));
        }
        return session.state();
    }

    @Test
    void aFreshAdapterIsTheBase() {
        try (TrainingSession session = open(ComputeType.F32, DORA, Recompute.NONE)) {
            double base = session.evaluate(ROWS, false).mean();
            assertThat(session.evaluate(ROWS, true).mean()).isCloseTo(base, within(1e-5 * base));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void recomputePoliciesAndResumedRunsGiveTheSameBits(boolean dropout) {
        LoraConfig lora = dropout ? DROPPING : DORA;
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open(ComputeType.BF16, lora, Recompute.NONE)) {
            half = steps(session, 2);
            whole = steps(session, 2);
        }
        for (Recompute recompute : Recompute.values()) {
            try (TrainingSession session = open(ComputeType.BF16, lora, recompute)) {
                if (recompute == Recompute.NONE) {
                    session.restore(half);
                    assertThat(steps(session, 2)).as("resumed").isEqualTo(whole);
                } else {
                    assertThat(steps(session, 4)).as(recompute.name()).isEqualTo(whole);
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void bothComputeTypesLearn(ComputeType compute) {
        try (TrainingSession session = open(compute, DORA, Recompute.NONE)) {
            double before = session.evaluate(ROWS, true).mean();
            steps(session, 6);
            assertThat(session.evaluate(ROWS, true).mean()).isLessThan(0.9 * before);
        }
    }

    @Test
    void whatIsExportedIsLoadedGeneratedWithAndMergedAlike() throws Exception {
        Path base = TinyModels.write(temp.resolve("base"));
        QuantizationConfig nf4 = QuantizationConfig.nf4(ComputeType.F32);
        TrainingArguments arguments = TestSessions.ARGUMENTS;
        try (Checkpoint checkpoint = Checkpoint.open(base);
                TrainingSession session = TrainingSession.open(
                        device, checkpoint.config(), checkpoint.weights(), nf4, DORA, arguments, 96)) {
            steps(session, 4);
            float[] expected = Probe.logits(session, ROWS, true);
            AdapterFiles.write(session.adapter(), temp.resolve("adapter"));
            Adapter adapter = AdapterFiles.read(temp.resolve("adapter"));
            assertThat(adapter.config()).isEqualTo(session.adapter().config());
            assertThat(adapter.tensors())
                    .containsExactlyInAnyOrderElementsOf(session.adapter().tensors());
            List<int[]> prompts = List.of(new int[] {3, 4, 5});
            int[] answer = tokens(session.generator(), prompts);
            try (Generator loaded = Generator.open(device, checkpoint.config(), checkpoint.weights(), nf4, adapter)) {
                assertThat(tokens(loaded, prompts)).isEqualTo(answer);
            }
            MergedCheckpoint merged =
                    MergedCheckpoint.write(device, checkpoint, nf4, adapter, ComputeType.F32, temp.resolve("merged"));
            try (Checkpoint written = Checkpoint.open(merged.folder());
                    TrainingSession plain = TrainingSession.open(
                            device,
                            written.config(),
                            written.weights(),
                            QuantizationConfig.dense(ComputeType.F32),
                            TestSessions.LORA,
                            arguments,
                            96)) {
                assertThat(Distance.ofLargest(Probe.logits(plain, ROWS, false), expected))
                        .isLessThan(1e-5);
            }
        }
    }

    private static int[] tokens(Generator generator, List<int[]> prompts) {
        return generator
                .generate(prompts, GenerationConfig.greedy(8), true)
                .get(0)
                .tokens();
    }

    /** Adapters side by side are those trained alone, to rounding. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void adaptersThatShareABaseAreThoseTrainedAlone(boolean dropout) {
        LoraConfig lora = dropout ? DROPPING : DORA;
        try (MultiAdapterSession together = TestTenants.open(device, lora, TestTenants.arguments(0))) {
            for (int slot = 0; slot < TestTenants.COUNT; slot++) {
                together.start(slot, TestTenants.arguments(slot));
            }
            for (int step = 0; step < 3; step++) {
                together.step(TestTenants.together(step, 0, 1, 2)).values().forEach(SlotOutcome::orThrow);
            }
            for (int slot = 0; slot < TestTenants.COUNT; slot++) {
                try (TrainingSession alone = TestSessions.open(device, lora, TestTenants.arguments(slot))) {
                    for (int step = 0; step < 3; step++) {
                        alone.step(TestTenants.rows(slot, step));
                    }
                    near(together.state(slot), alone.state());
                }
            }
        }
    }

    private static void near(TrainingState actual, TrainingState expected) {
        for (int i = 0; i < expected.tensors().size(); i++) {
            NamedTensor tensor = expected.tensors().get(i);
            assertThat(Distance.relativeNorm(ParityModel.floats(actual.tensors().get(i)), ParityModel.floats(tensor)))
                    .as(tensor.name())
                    .isLessThan(1e-5);
        }
    }

    @Test
    void twoRanksTakeTheStepsOfOne() {
        List<StepMetrics> alone = DataParallelTest.train(1, DROPPING, rank -> Devices.open("cpu"))
                .get(0)
                .steps();
        List<DataParallelTest.Curve> both = DataParallelTest.train(2, DROPPING, rank -> Devices.open("cpu"));
        for (int step = 0; step < alone.size(); step++) {
            double loss = alone.get(step).loss();
            assertThat(both.get(0).steps().get(step).loss()).isCloseTo(loss, within(1e-5 * loss));
        }
        assertThat(both.get(1).state()).isEqualTo(both.get(0).state());
    }

    @Test
    void aBaseInPartsIsRefused() {
        TrainingArguments sharded = TestSessions.ARGUMENTS.toBuilder()
                .numProcesses(2)
                .shardBase(true)
                .build();
        assertThatThrownBy(() -> TestSessions.open(device, DORA, sharded))
                .hasMessageContaining("QLORA-T180: use_dora needs the norms of the base's rows after every step")
                .hasMessageContaining("set shard_base: false, or use_dora: false");
    }

    @Test
    void anAdapterWithoutMagnitudesIsRefused() {
        try (TrainingSession session = open(ComputeType.F32, DORA, Recompute.NONE)) {
            Adapter whole = session.adapter();
            List<NamedTensor> left = new ArrayList<>(whole.tensors());
            left.removeIf(tensor -> tensor.name().endsWith("layers.0.mlp.down_proj.lora_magnitude_vector"));
            Adapter part = new Adapter(whole.config(), null, left);
            assertThatThrownBy(() -> session.loadAdapter(part))
                    .hasMessageContaining("down_proj.lora_magnitude_vector")
                    .hasMessageContaining("missing");
            AdapterFiles.write(whole, temp);
            assertThat(AdapterFiles.read(temp).config().useDora()).isTrue();
        }
    }

    @Test
    void whatHasMoreThanMatricesIsNotCombined() {
        LoraConfig biased = LoraConfig.builder().r(4).bias(Bias.LORA_ONLY).build();
        AdapterCombination linear = new AdapterCombination(AdapterCombination.Type.LINEAR, null);
        assertThatThrownBy(() -> linear.of(List.of(new Adapter(DORA, null, List.of())), List.of(1.0)))
                .hasMessageContaining(
                        "QLORA-T182: adapter 1 of those to combine has use_dora; only matrices are combined");
        assertThatThrownBy(() -> linear.of(List.of(new Adapter(biased, null, List.of())), List.of(1.0)))
                .hasMessageContaining("QLORA-T182: adapter 1 of those to combine has bias: lora_only");
    }
}
