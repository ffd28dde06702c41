// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the engine promises, for the families that have something beside Llama's decoder. Their numbers are held against transformers'
 * by {@link ParityTest}. Sequences here are longer than windows.
 */
class FamiliesTest {

    private static final String SHAPE = "\"hidden_size\": 32, \"intermediate_size\": 48, \"num_hidden_layers\": 3,"
            + " \"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"vocab_size\": 51, \"sliding_window\": 5,"
            + " \"max_position_embeddings\": 64, \"eos_token_id\": null";

    private static final Map<String, String> OWN = Map.of(
            "mistral", "",
            "qwen2", ", \"use_sliding_window\": true, \"max_window_layers\": 1",
            "qwen3", ", \"head_dim\": 12",
            "phi3", ", \"partial_rotary_factor\": 0.5",
            "gemma", ", \"head_dim\": 10",
            "gemma2", ", \"head_dim\": 10, \"query_pre_attn_scalar\": 7, \"attn_logit_softcapping\": 1.5");

    private static final LoraConfig DROPPING = LoraConfig.builder()
            .r(4)
            .loraAlpha(8)
            .loraDropout(0.1)
            .targetModules(TargetModules.allLinear())
            .build();

    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);
    private static final PackedRow LONG = TestRows.packed(1, 51, 11, 23, 6);
    private static final PackedRow SHORT = TestRows.packed(2, 51, 30);

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private static ModelConfig config(String family) {
        return ModelConfig.parse("{\"model_type\": \"" + family + "\", " + SHAPE + OWN.get(family) + "}", family);
    }

    private static TrainingSession open(Device on, String family, LoraConfig lora, TrainingArguments arguments) {
        return open(on, family, NF4, lora, arguments, 0);
    }

    private static TrainingSession open(
            Device on,
            String family,
            QuantizationConfig quantization,
            LoraConfig lora,
            TrainingArguments arguments,
            int part) {
        ModelConfig config = config(family);
        return TrainingSession.open(
                on, config, new ScaledWeights(config), quantization, lora, arguments, TestSessions.MAX_TOKENS, part);
    }

    private TrainingState afterTwoSteps(String family, ComputeType compute, Recompute recompute) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
        QuantizationConfig quantization = QuantizationConfig.nf4(compute);
        try (TrainingSession session = open(device, family, quantization, DROPPING, arguments, 0)) {
            session.step(List.of(List.of(LONG), List.of(SHORT)));
            session.step(List.of(List.of(SHORT)));
            return session.state();
        }
    }

    /** Each of them in memory that the plan has sized. */
    @ParameterizedTest
    @ValueSource(strings = {"mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2"})
    void recomputePoliciesGiveTheSameBits(String family) {
        for (ComputeType compute : ComputeType.values()) {
            TrainingState none = afterTwoSteps(family, compute, Recompute.NONE);
            assertThat(afterTwoSteps(family, compute, Recompute.SELECTIVE)).isEqualTo(none);
            assertThat(afterTwoSteps(family, compute, Recompute.FULL)).isEqualTo(none);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2"})
    void sequencesOfARowDoNotSeeEachOther(String family) {
        try (TrainingSession session = open(device, family, TestSessions.LORA, TestSessions.ARGUMENTS)) {
            session.step(List.of(List.of(SHORT)));
            List<List<PackedRow>> apart = new ArrayList<>();
            LossSum unpacked = LossSum.ZERO;
            for (int i = 0; i < LONG.sequenceLengths().length; i++) {
                apart.add(List.of(TestRows.sequence(LONG, i)));
                unpacked = unpacked.plus(session.evaluate(apart.get(i), true));
            }
            LossSum packed = session.evaluate(List.of(LONG), true);
            assertThat(packed.sum()).isCloseTo(unpacked.sum(), within(1e-5 * unpacked.sum()));
            Map<String, float[]> expected = Probe.gradients(session, apart, null);
            Map<String, float[]> actual = Probe.gradients(session, List.of(List.of(LONG)), null);
            expected.forEach((name, gradient) -> assertThat(Distance.relativeNorm(actual.get(name), gradient))
                    .as(name)
                    .isLessThan(1e-4));
        }
    }

    /** With its cache, a generator takes the token that a run over all that is known makes the likeliest. */
    @ParameterizedTest
    @ValueSource(strings = {"mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2"})
    void generationIsThatOfWholeRuns(String family) {
        ModelConfig config = config(family);
        try (TrainingSession session = open(device, family, TestSessions.LORA, TestSessions.ARGUMENTS)) {
            session.step(List.of(List.of(LONG)));
            int[] prompt = Arrays.copyOf(SHORT.inputIds(), 9);
            int[] other = Arrays.copyOf(LONG.inputIds(), 4);
            int[] answer;
            try (Generator generator =
                    Generator.open(device, config, new ScaledWeights(config), NF4, session.adapter())) {
                List<Generation> answers = generator.generate(List.of(other, prompt), GenerationConfig.greedy(8), true);
                answer = answers.get(1).tokens();
            }
            assertThat(answer).hasSize(8);
            for (int length = 0; length < answer.length; length++) {
                int[] known = Arrays.copyOf(prompt, prompt.length + length);
                System.arraycopy(answer, 0, known, prompt.length, length);
                float[] logits = Probe.logits(session, List.of(PackedRow.single(0, known, known)), true);
                assertThat(logits[logits.length - config.vocabSize() + answer[length]])
                        .isEqualTo(
                                largest(Arrays.copyOfRange(logits, logits.length - config.vocabSize(), logits.length)));
            }
        }
    }

    private static float largest(float[] values) {
        float largest = Float.NEGATIVE_INFINITY;
        for (float value : values) {
            largest = Math.max(largest, value);
        }
        return largest;
    }

    @ParameterizedTest
    @ValueSource(strings = {"mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2"})
    void severalAdaptersAreThoseTrainedAlone(String family) {
        ModelConfig config = config(family);
        try (MultiAdapterSession together = MultiAdapterSession.open(
                device, config, new ScaledWeights(config), NF4, DROPPING, TestSessions.ARGUMENTS, 96, 2)) {
            for (int slot = 0; slot < 2; slot++) {
                together.start(slot, TestTenants.arguments(slot));
            }
            for (int step = 0; step < 2; step++) {
                together.step(TestTenants.together(step, 0, 1)).values().forEach(SlotOutcome::orThrow);
            }
            for (int slot = 0; slot < 2; slot++) {
                try (TrainingSession alone = open(device, family, DROPPING, TestTenants.arguments(slot))) {
                    alone.step(TestTenants.rows(slot, 0));
                    alone.step(TestTenants.rows(slot, 1));
                    close(together.state(slot), alone.state());
                }
            }
        }
    }

    private static void close(TrainingState actual, TrainingState expected) {
        Map<String, float[]> tensors = new LinkedHashMap<>();
        actual.tensors().forEach(tensor -> tensors.put(tensor.name(), ParityModel.floats(tensor)));
        for (NamedTensor tensor : expected.tensors()) {
            double distance = Distance.relativeNorm(tensors.get(tensor.name()), ParityModel.floats(tensor));
            assertThat(distance).as(tensor.name()).isLessThan(2e-5);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen2", "qwen3", "phi3", "gemma2"})
    void ranksWithPartsOfTheBaseTakeTheStepsOfWholeOnes(String family) {
        assertThat(twoRanks(family, true)).isEqualTo(twoRanks(family, false));
    }

    private static TrainingState twoRanks(String family, boolean sharded) {
        TrainingArguments arguments = TestSessions.ARGUMENTS.toBuilder()
                .perDeviceTrainBatchSize(1)
                .numProcesses(2)
                .shardBase(sharded)
                .recompute(Recompute.FULL)
                .build();
        List<Ranks.Ended<TrainingState>> all = Ranks.run(2, Duration.ofSeconds(60), collective -> {
            int part = sharded ? collective.rank() : 0;
            try (Device own = Devices.open("cpu");
                    TrainingSession session = open(own, family, NF4, DROPPING, arguments, part)) {
                for (int step = 0; step < 2; step++) {
                    PackedRow row = TestRows.packed(10 * step + collective.rank(), 51, 9, 14);
                    session.step(List.of(List.of(row)), collective);
                }
                return session.state();
            }
        });
        assertThat(all).allSatisfy(ended -> assertThat(ended.failure()).isNull());
        return all.get(1).value();
    }
}
