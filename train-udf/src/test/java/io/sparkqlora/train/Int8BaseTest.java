// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A base in 8 bits. The references are those of src/test/python/int8_reference.py: bitsandbytes' arithmetic written out in PyTorch,
 * whose logits of {@code llama} are bitsandbytes' own to the bit. With a threshold of 3 {@code qwen2} has 91 columns of outliers.
 *
 * <p>A code is a step or none. Where an element lies near the middle between two, PyTorch against itself (embeddings and norms changed
 * by a ten-millionth) parts by a step there, and after that as far as 8 bits are coarse: 1e-2 of the largest logit, and of a
 * gradient. {@code qwen2} has no such element at its inputs; {@code llama} has.
 */
class Int8BaseTest {

    private static final Path RESOURCES = Path.of("src/test/resources");
    private static final int STEPS = 12;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final ParityModel model = new ParityModel(RESOURCES.resolve("parity/qwen2"));

    @AfterEach
    void close() {
        model.close();
        device.close();
    }

    private TrainingSession open(QuantizationConfig quantization) {
        return open(model, quantization);
    }

    private TrainingSession open(ParityModel model, QuantizationConfig quantization) {
        Adapter initial = model.adapter("adapter_init");
        TrainingArguments arguments = TrainingArguments.builder()
                .learningRate(5e-3)
                .lrSchedulerType(LrSchedulerType.LINEAR)
                .maxSteps(STEPS)
                .weightDecay(0.01)
                .maxGradNorm(1.0)
                .build();
        TrainingSession session = TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                quantization,
                initial.config(),
                arguments,
                model.tokens());
        session.loadAdapter(initial);
        return session;
    }

    private static QuantizationConfig int8(ComputeType compute, double threshold) {
        return QuantizationConfig.dense(compute).withInt8(threshold);
    }

    private static SafetensorsFile expected(double threshold) {
        return expected("qwen2-" + (int) threshold);
    }

    private static SafetensorsFile expected(String name) {
        return SafetensorsFile.open(RESOURCES.resolve("int8/" + name + ".safetensors"));
    }

    private static float[] floats(SafetensorsFile file, String name) {
        ByteBuffer bytes = file.read(name).order(ByteOrder.LITTLE_ENDIAN);
        float[] floats = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(floats);
        return floats;
    }

    @ParameterizedTest
    @ValueSource(doubles = {6, 3})
    void logitsAndLossAreThoseOfTheArithmetic(double threshold) {
        try (TrainingSession session = open(int8(ComputeType.F32, threshold));
                SafetensorsFile file = expected(threshold)) {
            double[] distances = rowDistances(session, model, floats(file, "int8.logits"));
            System.out.printf(
                    "int8, threshold %s: rows of logits %.1e in the middle, %.1e at worst%n",
                    threshold, distances[distances.length / 2], distances[distances.length - 1]);
            assertThat(distances[distances.length / 2]).isLessThan(1e-5);
            assertThat(distances[distances.length - 1]).isLessThan(2e-2);
            assertThat(session.evaluate(model.rows(), false).mean())
                    .isCloseTo(floats(file, "int8.loss")[0], within(1e-3));
            assertThat(session.evaluate(model.rows(), true).mean())
                    .isCloseTo(floats(file, "lora.loss")[0], within(1e-3));
        }
    }

    @Test
    void logitsAndLossAreThoseOfBitsandbytes() {
        try (ParityModel llama = new ParityModel(RESOURCES.resolve("parity/llama"));
                TrainingSession session = open(llama, QuantizationConfig.int8(ComputeType.F32));
                SafetensorsFile file = expected("llama-6")) {
            double[] distances = rowDistances(session, llama, floats(file, "int8.logits"));
            double loss = session.evaluate(llama.rows(), false).mean();
            System.out.printf(
                    "int8, llama: rows of logits %.1e in the middle, %.1e at worst, loss %.1e%n",
                    distances[distances.length / 2],
                    distances[distances.length - 1],
                    Distance.relative(loss, floats(file, "int8.loss")[0]));
            assertThat(distances[distances.length - 1]).isLessThan(2e-2);
            assertThat(loss).isCloseTo(floats(file, "int8.loss")[0], within(1e-3));
        }
    }

    /** A fresh one's lengths are those of the weights, so it is the base; dropout takes each layer's weight by itself. */
    @Test
    void aFreshAdapterOfTrainedLengthsIsTheBase() {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraDropout(0.1)
                .targetModules(TargetModules.allLinear())
                .useDora(true)
                .build();
        TrainingArguments arguments =
                TrainingArguments.builder().maxSteps(STEPS).build();
        try (TrainingSession session = TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                int8(ComputeType.F32, 0),
                lora,
                arguments,
                model.tokens())) {
            double base = session.evaluate(model.rows(), false).mean();
            assertThat(session.evaluate(model.rows(), true).mean()).isCloseTo(base, within(1e-6 * base));
            assertThat(session.step(List.of(model.rows())).loss()).isCloseTo(base, within(0.1 * base));
        }
    }

    /** Of rows that are no padding, each one's largest difference over the largest logit, in ascending order. */
    private static double[] rowDistances(TrainingSession session, ParityModel model, float[] reference) {
        float[] actual = Probe.logits(session, model.rows(), false);
        int vocabulary = model.checkpoint().config().vocabSize();
        int padded = reference.length / vocabulary / model.rows().size();
        double largest = 0;
        for (float value : reference) {
            largest = Math.max(largest, Math.abs(value));
        }
        double[] distances = new double[model.tokens()];
        int row = 0;
        for (int i = 0; i < model.rows().size(); i++) {
            for (int token = 0; token < model.rows().get(i).numTokens(); token++, row++) {
                for (int word = 0; word < vocabulary; word++) {
                    float expected = reference[(i * padded + token) * vocabulary + word];
                    double distance = Math.abs(actual[row * vocabulary + word] - expected) / largest;
                    distances[row] = Math.max(distances[row], distance);
                }
            }
        }
        Arrays.sort(distances);
        return distances;
    }

    @ParameterizedTest
    @ValueSource(doubles = {6, 3})
    void gradientsAndARunAreThoseOfPeft(double threshold) {
        try (TrainingSession session = open(int8(ComputeType.F32, threshold));
                SafetensorsFile file = expected(threshold)) {
            double worst = 0;
            for (Map.Entry<String, float[]> gradient :
                    Probe.gradients(session, List.of(model.rows()), null).entrySet()) {
                float[] reference = floats(file, "grad." + gradient.getKey());
                worst = Math.max(worst, Distance.relativeNorm(gradient.getValue(), reference));
            }
            assertThat(worst).isPositive().isLessThan(3e-2);
            double losses = 0;
            double norms = 0;
            for (int step = 0; step < STEPS; step++) {
                StepMetrics metrics = session.step(List.of(model.rows()));
                double loss = floats(file, "train.losses")[step];
                double norm = floats(file, "train.grad_norms")[step];
                losses = Math.max(losses, Distance.relative(metrics.loss(), loss));
                norms = Math.max(norms, Distance.relative(metrics.gradNorm(), norm));
            }
            System.out.printf(
                    "int8, threshold %s: gradients %.1e, losses %.1e, norms %.1e%n", threshold, worst, losses, norms);
            assertThat(losses).isLessThan(1e-3);
            assertThat(norms).isLessThan(3e-2);
        }
    }

    @Test
    void inBf16LossesAreNear() {
        try (TrainingSession session = open(QuantizationConfig.int8(ComputeType.BF16));
                SafetensorsFile file = expected(6)) {
            assertThat(session.evaluate(model.rows(), false).mean())
                    .isCloseTo(floats(file, "int8.loss")[0], within(3e-2));
            for (int step = 0; step < STEPS; step++) {
                double loss = floats(file, "train.losses")[step];
                assertThat(session.step(List.of(model.rows())).loss()).isCloseTo(loss, within(2e-2 * loss));
            }
        }
    }

    /** With a threshold that has outliers in both. */
    @ParameterizedTest
    @EnumSource(ComputeType.class)
    void recomputeRecordingsAndResumeGiveTheSameBits(ComputeType compute) {
        TrainingState none = afterFourSteps(compute, Recompute.NONE);
        assertThat(afterFourSteps(compute, Recompute.SELECTIVE)).isEqualTo(none);
        assertThat(afterFourSteps(compute, Recompute.FULL)).isEqualTo(none);
        TrainingState half;
        try (TrainingSession session = tiny(compute, Recompute.FULL)) {
            steps(session, 0, 2);
            half = session.state();
        }
        // of a session that issues each of its micro-batches, where the other ones have recordings by now
        try (TrainingSession session = tiny(compute, Recompute.FULL)) {
            session.restore(half);
            steps(session, 2, 4);
            assertThat(session.state()).isEqualTo(none);
        }
    }

    private TrainingSession tiny(ComputeType compute, Recompute recompute) {
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
        return TestSessions.open(device, int8(compute, 2), DataParallelTest.DROPPING, arguments);
    }

    private TrainingState afterFourSteps(ComputeType compute, Recompute recompute) {
        try (TrainingSession session = tiny(compute, recompute)) {
            double first = session.step(batch(0)).loss();
            steps(session, 1, 4);
            assertThat(session.evaluate(batch(0).get(0), true).mean()).isLessThan(first);
            return session.state();
        }
    }

    private static void steps(TrainingSession session, int from, int to) {
        for (int step = from; step < to; step++) {
            session.step(batch(step));
        }
    }

    private static List<List<PackedRow>> batch(int step) {
        return List.of(List.of(TestRows.packed(1, 51, 11, 23)), List.of(TestRows.packed(2 + step % 2, 51, 11, 23)));
    }

    @Test
    void thePlanIsWhatIsAllocated() {
        for (Recompute recompute : Recompute.values()) {
            try (Device fresh = Devices.open(System.getProperty("qlora.test.backend", "cpu"))) {
                TrainingArguments arguments =
                        TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
                MemoryPlan plan = MemoryPlan.of(
                        fresh.traits(),
                        TinyModels.config(),
                        int8(ComputeType.BF16, 2),
                        DataParallelTest.DROPPING,
                        arguments,
                        TestSessions.MAX_TOKENS,
                        1);
                try (TrainingSession session =
                        TestSessions.open(fresh, int8(ComputeType.BF16, 2), DataParallelTest.DROPPING, arguments)) {
                    steps(session, 0, 3);
                    assertThat(fresh.peakBytes()).isLessThanOrEqualTo(plan.total());
                    assertThat(plan.baseWeights())
                            .as("a byte an element, and scales")
                            .isLessThan(MemoryPlan.of(
                                                    fresh.traits(),
                                                    TinyModels.config(),
                                                    QuantizationConfig.dense(ComputeType.BF16),
                                                    DataParallelTest.DROPPING,
                                                    arguments,
                                                    TestSessions.MAX_TOKENS,
                                                    1)
                                            .baseWeights()
                                    * 2
                                    / 3);
                }
            }
        }
    }

    /** Without outliers a row's rounding is its own, so that neighbours don't show. */
    @Test
    void adaptersSideBySideLearnWhatTheyLearnAlone() {
        QuantizationConfig quantization = int8(ComputeType.F32, 0);
        List<StepMetrics> together = new ArrayList<>();
        try (MultiAdapterSession session =
                TestTenants.open(device, quantization, TestSessions.LORA, TestTenants.arguments(0))) {
            for (int slot = 0; slot < session.slots(); slot++) {
                session.start(slot, TestTenants.arguments(slot));
            }
            session.step(TestTenants.together(0, 0, 1, 2)).forEach((slot, outcome) -> together.add(outcome.metrics()));
        }
        for (int slot = 0; slot < together.size(); slot++) {
            try (TrainingSession session =
                    TestSessions.open(device, quantization, TestSessions.LORA, TestTenants.arguments(slot))) {
                StepMetrics alone = session.step(TestTenants.rows(slot, 0));
                assertThat(together.get(slot).loss()).isCloseTo(alone.loss(), within(1e-3 * alone.loss()));
                assertThat(together.get(slot).gradNorm()).isCloseTo(alone.gradNorm(), within(1e-2 * alone.gradNorm()));
            }
        }
    }

    /** Word by word with a cache, or in one pass: without outliers a row's rounding is its own. */
    @Test
    void answersAreThoseOfAWholePass() {
        QuantizationConfig quantization = int8(ComputeType.F32, 0);
        int[] prompt = Arrays.copyOf(model.rows().get(0).inputIds(), 12);
        int[] answer;
        try (Generator generator = Generator.open(
                device, model.checkpoint().config(), model.checkpoint().weights(), quantization, null)) {
            answer = generator
                    .generate(List.of(prompt), GenerationConfig.greedy(8), false)
                    .get(0)
                    .tokens();
        }
        int[] whole = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, whole, prompt.length, answer.length);
        try (TrainingSession session = open(quantization)) {
            float[] logits = Probe.logits(session, List.of(PackedRow.single(0, whole, whole)), false);
            int vocabulary = model.checkpoint().config().vocabSize();
            for (int i = 0; i < answer.length; i++) {
                float[] row = Arrays.copyOfRange(
                        logits, (prompt.length + i - 1) * vocabulary, (prompt.length + i) * vocabulary);
                float largest = row[0];
                for (float value : row) {
                    largest = Math.max(largest, value);
                }
                assertThat(row[answer[i]]).as("word %d", i).isCloseTo(largest, within(0.02f * Math.abs(largest)));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"-1", "65505", "NaN"})
    void refusesThresholds(double threshold) {
        assertThatThrownBy(() -> int8(ComputeType.F32, threshold))
                .hasMessageContaining("llm_int8_threshold")
                .hasMessageContaining("a number from 0 to 65504");
    }

    @Test
    void layersThatShareAnInputAreSkippedTogether() {
        QuantizationConfig some =
                QuantizationConfig.int8(ComputeType.F32).withSkipModules(new SkipModules(List.of("lm_head", "q_proj")));
        assertThatThrownBy(() -> open(some))
                .hasMessageStartingWith("QLORA-T161: with load_in_8bit, llm_int8_skip_modules names some of")
                .hasMessageContaining("self_attn.k_proj");
        QuantizationConfig all = QuantizationConfig.int8(ComputeType.F32)
                .withSkipModules(new SkipModules(List.of("lm_head", "q_proj", "k_proj", "v_proj")));
        try (TrainingSession session = open(all)) {
            assertThat(session.evaluate(model.rows(), false).mean()).isPositive();
        }
    }

    @Test
    void refusesFourAndEightBits() {
        QuantizationConfig nf4 = QuantizationConfig.nf4(ComputeType.F32);
        assertThatThrownBy(() -> new QuantizationConfig(
                        true,
                        nf4.bnb4bitQuantType(),
                        true,
                        64,
                        ComputeType.F32,
                        true,
                        nf4.bnb4bitQuantStorage(),
                        nf4.llmInt8SkipModules(),
                        true,
                        6))
                .hasMessageStartingWith("QLORA-T160: load_in_4bit and load_in_8bit are both true");
        assertThat(nf4.withInt8(6).loadIn4bit()).isFalse();
    }
}
