// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Biases of the base that are trained; {@link PeftVariantsTest} holds their numbers against peft. */
class TrainedBiasTest {

    private static final Path MODEL = Path.of("src/test/resources/parity/qwen2");
    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);
    private static final LoraConfig ALL = lora(Bias.ALL, "q_proj", "down_proj");
    private static final int TOKENS = 96;

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final Checkpoint model = Checkpoint.open(MODEL);

    @AfterEach
    void close() {
        model.close();
        device.close();
    }

    private static LoraConfig lora(Bias bias, String... targets) {
        return LoraConfig.builder()
                .r(4)
                .bias(bias)
                .targetModules(TargetModules.names(targets))
                .build();
    }

    private TrainingSession open(Device on, LoraConfig lora, TrainingArguments arguments, int part) {
        return TrainingSession.open(on, model.config(), model.weights(), NF4, lora, arguments, TOKENS, part);
    }

    private TrainingSession open(LoraConfig lora, Recompute recompute) {
        return open(
                device,
                lora,
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build(),
                0);
    }

    private static TrainingState steps(TrainingSession session, int from, int to) {
        for (int i = from; i < to; i++) {
            session.step(List.of(List.of(TestRows.packed(i, 51, 11, 23))));
        }
        return session.state();
    }

    private static List<String> biases(Adapter adapter) {
        return adapter.tensors().stream()
                .map(NamedTensor::name)
                .filter(name -> name.endsWith(".bias"))
                .toList();
    }

    @Test
    void whichBiasesAreTrained() {
        try (TrainingSession session = open(ALL, Recompute.NONE)) {
            String layer = "base_model.model.model.layers.1.self_attn.";
            assertThat(biases(session.adapter()))
                    .hasSize(3 * model.config().numHiddenLayers())
                    .contains(layer + "q_proj.base_layer.bias", layer + "k_proj.bias", layer + "v_proj.bias");
            PackedRow row = TestRows.packed(1, 51, 30);
            double base = session.evaluate(List.of(row), false).mean();
            assertThat(session.evaluate(List.of(row), true).mean())
                    .as("a fresh adapter has the base's biases")
                    .isEqualTo(base);
        }
        try (TrainingSession session = open(lora(Bias.LORA_ONLY, "v_proj", "o_proj"), Recompute.NONE)) {
            assertThat(biases(session.adapter()))
                    .hasSize(model.config().numHiddenLayers())
                    .allMatch(name -> name.endsWith("v_proj.base_layer.bias"));
        }
        try (TrainingSession session = TestSessions.open(device, lora(Bias.ALL, "q_proj"), TestSessions.ARGUMENTS)) {
            assertThat(biases(session.adapter())).as("a base without biases").isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(Recompute.class)
    void aResumedRunAndAnyPolicyGiveTheSameBits(Recompute recompute) {
        TrainingState half;
        TrainingState whole;
        try (TrainingSession session = open(ALL, Recompute.NONE)) {
            half = steps(session, 0, 2);
            whole = steps(session, 2, 4);
        }
        try (TrainingSession session = open(ALL, recompute)) {
            session.restore(half);
            assertThat(steps(session, 2, 4)).isEqualTo(whole);
        }
    }

    @Test
    void mergedThereIsNoAdapterAndTheSameLogits() {
        List<PackedRow> rows = List.of(TestRows.packed(9, 51, 30));
        try (TrainingSession session = open(ALL, Recompute.NONE)) {
            steps(session, 0, 4);
            float[] expected = Probe.logits(session, rows, true);
            AdapterFiles.write(session.adapter(), temp.resolve("adapter"));
            Adapter adapter = AdapterFiles.read(temp.resolve("adapter"));
            assertThat(adapter.config().bias()).isEqualTo(Bias.ALL);
            MergedCheckpoint merged =
                    MergedCheckpoint.write(device, model, NF4, adapter, ComputeType.F32, temp.resolve("merged"));
            try (Checkpoint written = Checkpoint.open(merged.folder());
                    TrainingSession plain = TrainingSession.open(
                            device,
                            written.config(),
                            written.weights(),
                            QuantizationConfig.dense(ComputeType.F32),
                            lora(Bias.NONE, "q_proj"),
                            TestSessions.ARGUMENTS,
                            TOKENS)) {
                assertThat(Distance.ofLargest(Probe.logits(plain, rows, false), expected))
                        .isLessThan(1e-5);
            }
        }
    }

    /** The base whole or in parts; gradients of biases are added up like all others. */
    @Test
    void ranksTakeTheStepsOfOne() {
        TrainingState whole = train(2, false);
        assertThat(train(2, true)).isEqualTo(whole);
        near(whole, train(1, false));
    }

    private TrainingState train(int ranks, boolean sharded) {
        TrainingArguments arguments = TestSessions.ARGUMENTS.toBuilder()
                .numProcesses(ranks)
                .gradientAccumulationSteps(2 / ranks)
                .shardBase(sharded)
                .build();
        List<Ended<TrainingState>> all = Ranks.run(ranks, Duration.ofSeconds(60), collective -> {
            int part = sharded ? collective.rank() : 0;
            try (Device own = Devices.open("cpu");
                    TrainingSession session = open(own, ALL, arguments, part)) {
                for (int step = 0; step < 3; step++) {
                    List<List<PackedRow>> batches = new ArrayList<>();
                    for (int i = collective.rank(); i < 2; i += ranks) {
                        batches.add(List.of(TestRows.packed(10 * step + i, 51, 9 + i, 14)));
                    }
                    session.step(batches, collective);
                }
                session.requireSameOnAllRanks(collective);
                return session.state();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.get(0).value();
    }

    /** Attention hardly sees a bias of all keys: what little is left of its gradient is mostly rounding, which AdamW makes large. */
    private static void near(TrainingState actual, TrainingState expected) {
        for (int i = 0; i < expected.tensors().size(); i++) {
            NamedTensor tensor = expected.tensors().get(i);
            assertThat(Distance.relativeNorm(ParityModel.floats(actual.tensors().get(i)), ParityModel.floats(tensor)))
                    .as(tensor.name())
                    .isLessThan(tensor.name().endsWith("k_proj.bias") ? 5e-3 : 1e-4);
        }
    }

    @Test
    void adaptersThatShareABaseHaveBiasesOfTheirOwn() {
        TrainingArguments[] arguments = {
            TestSessions.ARGUMENTS,
            TestSessions.ARGUMENTS.toBuilder().seed(8).learningRate(5e-3).build()
        };
        try (MultiAdapterSession together =
                MultiAdapterSession.open(device, model.config(), model.weights(), NF4, ALL, arguments[0], TOKENS, 2)) {
            together.start(0, arguments[0]);
            together.start(1, arguments[1]);
            for (int step = 0; step < 3; step++) {
                together.step(Map.of(0, rows(0, step), 1, rows(1, step)))
                        .values()
                        .forEach(SlotOutcome::orThrow);
            }
            for (int slot = 0; slot < 2; slot++) {
                try (TrainingSession alone = open(device, ALL, arguments[slot], 0)) {
                    for (int step = 0; step < 3; step++) {
                        alone.step(rows(slot, step));
                    }
                    near(together.state(slot), alone.state());
                }
            }
        }
    }

    private static List<List<PackedRow>> rows(int slot, int step) {
        return List.of(List.of(TestRows.packed(10L * step + slot, 51, 7 + 5 * slot, 12)));
    }

    @Test
    void biasesAreNotDecayed() {
        TrainingArguments none =
                TestSessions.ARGUMENTS.toBuilder().weightDecay(0).build();
        TrainingArguments much =
                TestSessions.ARGUMENTS.toBuilder().weightDecay(0.5).build();
        try (TrainingSession plain = open(device, ALL, none, 0);
                TrainingSession decayed = open(device, ALL, much, 0)) {
            TrainingState one = steps(plain, 0, 1);
            TrainingState other = steps(decayed, 0, 1);
            for (int i = 0; i < one.tensors().size(); i++) {
                NamedTensor tensor = one.tensors().get(i);
                boolean same = other.tensors().get(i).equals(tensor);
                assertThat(same)
                        .as(tensor.name())
                        .isEqualTo(!tensor.name().startsWith("base_model.")
                                || !tensor.name().contains("lora_A"));
            }
        }
    }

    @Test
    void biasesWithoutAnAdapterBesideThemAreRefused() {
        assertThatThrownBy(() -> open(lora(Bias.ALL, "down_proj"), Recompute.NONE))
                .hasMessageContaining("QLORA-T181: bias: all trains the biases of model.layers.0.self_attn.q_proj, ")
                .hasMessageContaining("none of these has an adapter")
                .hasMessageContaining("set bias: lora_only");
    }
}
