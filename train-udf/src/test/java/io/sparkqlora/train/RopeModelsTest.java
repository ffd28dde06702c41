// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Models whose rotary embedding is scaled with YaRN and LongRoPE, as transformers and peft compute them, in F32; see
 * src/test/python/rope_reference.py. Of {@code longrope} one row is longer than the original context of 32 tokens and one is not.
 */
class RopeModelsTest {

    private static final double LOGITS = 1e-4;
    private static final double LOSS = 1e-5;
    private static final double GRADIENT = 1e-3;
    private static final double RUN = 1e-4;
    private static final int STEPS = 12;
    private static final int NEW_TOKENS = 12;
    private static final Path RESOURCES = Path.of("src/test/resources");

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    /** The weights of a parity model under another configuration. */
    private ParityModel model(String name, String parity) throws IOException {
        Path folder = RESOURCES.resolve("rope").resolve(name);
        Path base = Files.createDirectories(temp.resolve(name));
        Files.copy(folder.resolve("config.json"), base.resolve("config.json"));
        Files.copy(
                RESOURCES.resolve("parity").resolve(parity).resolve("model.safetensors"),
                base.resolve("model.safetensors"));
        return new ParityModel(base, folder);
    }

    private static Adapter initial(String parity) {
        return AdapterFiles.read(RESOURCES.resolve("parity").resolve(parity).resolve("adapter_init"));
    }

    private TrainingSession open(ParityModel model, String parity, TrainingArguments arguments) {
        Adapter initial = initial(parity);
        TrainingSession session = TrainingSession.open(
                device,
                model.checkpoint().config(),
                model.checkpoint().weights(),
                QuantizationConfig.dense(ComputeType.F32),
                initial.config(),
                arguments,
                model.tokens());
        session.loadAdapter(initial);
        return session;
    }

    private static TrainingArguments arguments() {
        return TrainingArguments.builder()
                .learningRate(5e-3)
                .maxSteps(STEPS)
                .weightDecay(0.01)
                .build();
    }

    @ParameterizedTest
    @CsvSource({"longrope, phi3", "yarn, qwen2"})
    void numbersAreThoseOfTransformersAndPeft(String name, String parity) throws IOException {
        try (ParityModel model = model(name, parity);
                TrainingSession session = open(model, parity, arguments())) {
            double logits =
                    Distance.ofLargest(Probe.logits(session, model.rows(), false), model.attendedLogits("base.logits"));
            double loss =
                    Distance.relative(session.evaluate(model.rows(), false).mean(), model.floats("base.loss")[0]);
            double adapted =
                    Distance.relative(session.evaluate(model.rows(), true).mean(), model.floats("lora.loss")[0]);
            assertThat(logits).isLessThan(LOGITS);
            assertThat(loss).isLessThan(LOSS);
            assertThat(adapted).isLessThan(LOSS);
            double gradients = 0;
            for (Map.Entry<String, float[]> gradient :
                    Probe.gradients(session, List.of(model.rows()), null).entrySet()) {
                gradients = Math.max(
                        gradients,
                        Distance.relativeNorm(gradient.getValue(), model.floats("grad." + gradient.getKey())));
            }
            assertThat(gradients).isPositive().isLessThan(GRADIENT);
            double run = 0;
            for (int step = 0; step < STEPS; step++) {
                StepMetrics metrics = session.step(List.of(model.rows()));
                run = Math.max(run, Distance.relative(metrics.loss(), model.floats("train.losses")[step]));
                run = Math.max(run, Distance.relative(metrics.gradNorm(), model.floats("train.grad_norms")[step]));
            }
            assertThat(run).isLessThan(RUN);
            System.out.printf(
                    "rope %s: logits %.1e, losses %.1e and %.1e, gradients %.1e, run %.1e%n",
                    name, logits, loss, adapted, gradients, run);
        }
    }

    /** Packed rows are turned each sequence by its own length: beside a long one a short one is what it is alone. */
    @Test
    void packingChangesNothing() throws IOException {
        try (ParityModel model = model("longrope", "phi3");
                TrainingSession session = open(model, "phi3", arguments())) {
            List<PackedRow> rows = model.rows();
            int longest = rows.get(0).numTokens();
            int shorter = rows.get(1).numTokens();
            assertThat(longest).isGreaterThan(32);
            assertThat(shorter).isLessThanOrEqualTo(32);
            int[] ids = joined(rows.get(1).inputIds(), rows.get(0).inputIds());
            int[] labels = joined(rows.get(1).labels(), rows.get(0).labels());
            PackedRow packed = new PackedRow(7, ids, labels, new int[] {shorter, longest});
            assertThat(Distance.relative(
                            session.evaluate(List.of(packed), true).mean(),
                            session.evaluate(rows, true).mean()))
                    .isLessThan(1e-6);
            float[] alone = Probe.logits(session, rows.subList(1, 2), true);
            float[] beside = Arrays.copyOf(Probe.logits(session, List.of(packed), true), alone.length);
            assertThat(Distance.ofLargest(beside, alone)).isLessThan(1e-5);
        }
    }

    private static int[] joined(int[] one, int[] other) {
        int[] all = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, all, one.length, other.length);
        return all;
    }

    /** The step of a plan, with recordings and without, from its middle: the same bits. */
    @Test
    void recomputeRecordingsAndResumeGiveTheSameBits() throws IOException {
        try (ParityModel model = model("longrope", "phi3")) {
            TrainingState none = trained(model, Recompute.NONE, false);
            assertThat(trained(model, Recompute.FULL, false)).isEqualTo(none);
            assertThat(trained(model, Recompute.SELECTIVE, true)).isEqualTo(none);
        }
    }

    /** Each step's rows are one over the original context and one that is not, or the other way round. */
    private TrainingState trained(ParityModel model, Recompute recompute, boolean interrupted) {
        TrainingArguments arguments =
                arguments().toBuilder().recompute(recompute).build();
        TrainingSession session = open(model, "phi3", arguments);
        try {
            for (int step = 0; step < 6; step++) {
                if (interrupted && step == 3) {
                    TrainingState state = session.state();
                    session.close();
                    session = open(model, "phi3", arguments);
                    session.restore(state);
                }
                List<PackedRow> rows = new ArrayList<>(model.rows());
                if (step % 2 == 1) {
                    Collections.reverse(rows);
                }
                session.step(List.of(rows));
            }
            return session.state();
        } finally {
            session.close();
        }
    }

    private static int[] sequence(ParityModel model, int index) {
        float[] bits = model.floats("greedy." + index);
        int[] tokens = new int[bits.length];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = Float.floatToRawIntBits(bits[i]);
        }
        return tokens;
    }

    /** The first of three grows over LongRoPE's original context while it is answered, side by side with the others or alone. */
    @ParameterizedTest
    @CsvSource({"longrope, phi3", "yarn, qwen2"})
    void answersAreThoseOfTransformers(String name, String parity) throws IOException {
        try (ParityModel model = model(name, parity);
                Generator generator = Generator.open(
                        device,
                        model.checkpoint().config(),
                        model.checkpoint().weights(),
                        QuantizationConfig.dense(ComputeType.F32),
                        null)) {
            GenerationConfig greedy = GenerationConfig.builder()
                    .maxNewTokens(NEW_TOKENS)
                    .doSample(false)
                    .eosTokenIds(List.of())
                    .build();
            List<int[]> prompts = new ArrayList<>();
            List<int[]> expected = new ArrayList<>();
            for (int i = 0; i < 3; i++) {
                int[] all = sequence(model, i);
                prompts.add(Arrays.copyOf(all, all.length - NEW_TOKENS));
                expected.add(Arrays.copyOfRange(all, all.length - NEW_TOKENS, all.length));
            }
            List<Generation> answers = generator.generate(prompts, greedy, false);
            try (Dialogue dialogue = generator.dialogue(80, false)) {
                for (int i = 0; i < 3; i++) {
                    assertThat(answers.get(i).tokens())
                            .as("%s, prompt %d", name, i)
                            .containsExactly(expected.get(i));
                    assertThat(dialogue.answer(prompts.get(i), greedy, token -> {})
                                    .tokens())
                            .as("%s, prompt %d of a dialogue", name, i)
                            .containsExactly(expected.get(i));
                }
                // the next turn is longer than the original context, and so is the one that is known
                int[] whole = sequence(model, 1);
                dialogue.answer(Arrays.copyOf(whole, 40), greedy, token -> {});
                assertThat(dialogue.known(whole)).isEqualTo(51);
                if (name.equals("longrope")) {
                    assertThat(dialogue.known(Arrays.copyOf(whole, 32))).isZero();
                    assertThat(dialogue.known(Arrays.copyOf(whole, 33))).isEqualTo(32);
                }
            }
        }
    }
}
