// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static io.sparkqlora.train.SavedModules.EMBEDDING;
import static io.sparkqlora.train.SavedModules.EVERYTHING;
import static io.sparkqlora.train.SavedModules.HEAD;
import static io.sparkqlora.train.SavedModules.NF4;
import static io.sparkqlora.train.SavedModules.PREFIX;
import static io.sparkqlora.train.SavedModules.TOKENS;
import static io.sparkqlora.train.SavedModules.VOCABULARY;
import static io.sparkqlora.train.SavedModules.checkpoint;
import static io.sparkqlora.train.SavedModules.lora;
import static io.sparkqlora.train.SavedModules.saved;
import static io.sparkqlora.train.SavedModules.steps;
import static io.sparkqlora.train.SavedModules.tensor;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.collective.Ranks;
import io.sparkqlora.train.internal.collective.Ranks.Ended;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Modules that are trained whole beside an adapter; {@link PeftVariantsTest} holds their numbers against peft. */
class SavedModulesTest {

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
    private final Checkpoint llama = checkpoint("llama");

    @AfterEach
    void close() {
        llama.close();
        device.close();
    }

    private TrainingSession open(
            Checkpoint base, QuantizationConfig held, LoraConfig lora, TrainingArguments arguments) {
        return TrainingSession.open(device, base.config(), base.weights(), held, lora, arguments, TOKENS);
    }

    private TrainingSession open(Checkpoint base, List<String> saved) {
        return open(base, NF4, lora(saved), TestSessions.ARGUMENTS);
    }

    @ParameterizedTest
    @CsvSource({"llama", "qwen3", "gemma2", "phi3"})
    void anEntryMeansEveryModuleWhoseNameEndsWithIt(String name) {
        try (Checkpoint base = checkpoint(name)) {
            LoraConfig lora = lora(List.of("norm", "tokens"), "o_proj");
            try (TrainingSession session = open(base, NF4, lora, TestSessions.ARGUMENTS)) {
                List<String> norms = base.weights().names().stream()
                        .filter(weight -> weight.endsWith("norm.weight"))
                        .toList();
                assertThat(norms).hasSizeGreaterThan(4);
                assertThat(saved(session.adapter()))
                        .contains(EMBEDDING)
                        .hasSize(norms.size() + 1)
                        .containsAll(norms.stream().map(PREFIX::concat).toList());
                PackedRow row = TestRows.packed(1, VOCABULARY, 30);
                assertThat(session.evaluate(List.of(row), true).mean())
                        .as("fresh, they are the base's")
                        .isEqualTo(session.evaluate(List.of(row), false).mean());
            }
        }
        try (TrainingSession session = open(llama, List.of("layers.1.input_layernorm", "base_model.model.lm_head"))) {
            assertThat(saved(session.adapter()))
                    .containsExactlyInAnyOrder(PREFIX + "model.layers.1.input_layernorm.weight", HEAD);
        }
    }

    @Test
    void theBaseStaysWhatItIs() {
        List<PackedRow> rows = List.of(TestRows.packed(9, VOCABULARY, 30));
        try (TrainingSession session = open(llama, EVERYTHING)) {
            double before = session.evaluate(rows, false).mean();
            steps(session, 0, 3);
            assertThat(session.evaluate(rows, false).mean()).isEqualTo(before);
            assertThat(session.evaluate(rows, true).mean()).isNotEqualTo(before);
        }
    }

    @ParameterizedTest
    @EnumSource(Recompute.class)
    void aResumedRunAndAnyPolicyGiveTheSameBits(Recompute recompute) {
        try (Checkpoint base = checkpoint("gemma2")) {
            TrainingState half;
            TrainingState whole;
            try (TrainingSession session = open(base, EVERYTHING)) {
                half = steps(session, 0, 2);
                whole = steps(session, 2, 4);
            }
            TrainingArguments arguments =
                    TestSessions.ARGUMENTS.toBuilder().recompute(recompute).build();
            try (TrainingSession session = open(base, NF4, lora(EVERYTHING), arguments)) {
                session.restore(half);
                assertThat(steps(session, 2, 4)).isEqualTo(whole);
            }
        }
    }

    /** Backward ends at the lowest layer that is trained in; with a norm or the embedding there it goes on to the layer's input. */
    @ParameterizedTest
    @CsvSource({"layers.1.input_layernorm", "layers.0.post_attention_layernorm", "embed_tokens", "model.norm", "lm_head"
    })
    void gradientsAreThoseBesideOthers(String alone) {
        List<List<PackedRow>> batch = List.of(List.of(TestRows.packed(3, VOCABULARY, 11, 23)));
        LoraConfig.Builder upper = LoraConfig.builder().r(4).targetModules(TargetModules.of(".*layers[.]1[.]mlp.*"));
        Map<String, float[]> all;
        try (TrainingSession session =
                open(llama, NF4, upper.modulesToSave(EVERYTHING).build(), TestSessions.ARGUMENTS)) {
            all = Probe.gradients(session, batch, null);
        }
        try (TrainingSession session =
                open(llama, NF4, upper.modulesToSave(List.of(alone)).build(), TestSessions.ARGUMENTS)) {
            Map<String, float[]> few = Probe.gradients(session, batch, null);
            assertThat(saved(session.adapter())).hasSize(1);
            few.forEach((name, gradient) -> assertThat(gradient).as(name).isEqualTo(all.get(name)));
            assertThat(norm(few.get(saved(session.adapter()).get(0)))).isPositive();
        }
    }

    /** A token occurs in both, and several times in each. */
    @Test
    void microBatchesAddUp() {
        PackedRow one = TestRows.packed(3, VOCABULARY, 11, 23);
        PackedRow other = TestRows.packed(4, VOCABULARY, 19);
        try (TrainingSession session = open(llama, EVERYTHING)) {
            Map<String, float[]> together = Probe.gradients(session, List.of(List.of(one, other)), null);
            Map<String, float[]> apart = Probe.gradients(session, List.of(List.of(one), List.of(other)), null);
            together.forEach((name, gradient) -> assertThat(Distance.relativeNorm(apart.get(name), gradient))
                    .as(name)
                    .isLessThan(1e-5));
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = ComputeType.class,
            names = {"BF16", "F16"})
    void sixteenBitsGiveTheGradientsToRounding(ComputeType compute) {
        List<List<PackedRow>> batch = List.of(List.of(TestRows.packed(3, VOCABULARY, 11, 23)));
        Map<String, float[]> exact;
        try (TrainingSession session = open(llama, EVERYTHING)) {
            exact = Probe.gradients(session, batch, null);
        }
        try (TrainingSession session =
                open(llama, QuantizationConfig.nf4(compute), lora(EVERYTHING), TestSessions.ARGUMENTS)) {
            Probe.gradients(session, batch, null).forEach((name, gradient) -> assertThat(
                            norm(gradient) == 0
                                    ? norm(exact.get(name))
                                    : Distance.relativeNorm(gradient, exact.get(name)))
                    .as(name)
                    .isLessThan(3e-2));
            steps(session, 0, 3);
        }
    }

    private static double norm(float[] values) {
        return Math.sqrt(IntStream.range(0, values.length)
                .mapToDouble(i -> (double) values[i] * values[i])
                .sum());
    }

    @Test
    void mergedThereIsNoAdapterAndTheSameLogits() {
        List<PackedRow> rows = List.of(TestRows.packed(9, VOCABULARY, 30));
        try (TrainingSession session = open(llama, EVERYTHING)) {
            steps(session, 0, 4);
            float[] expected = Probe.logits(session, rows, true);
            AdapterFiles.write(session.adapter(), temp.resolve("adapter"));
            Adapter adapter = AdapterFiles.read(temp.resolve("adapter"));
            assertThat(adapter.config().modulesToSave()).isEqualTo(EVERYTHING);
            assertThat(adapter.tensors())
                    .containsExactlyInAnyOrderElementsOf(session.adapter().tensors());
            MergedCheckpoint merged =
                    MergedCheckpoint.write(device, llama, NF4, adapter, ComputeType.F32, temp.resolve("merged"));
            try (Checkpoint written = Checkpoint.open(merged.folder());
                    TrainingSession plain = open(
                            written,
                            QuantizationConfig.dense(ComputeType.F32),
                            lora(List.of()),
                            TestSessions.ARGUMENTS)) {
                assertThat(Distance.ofLargest(Probe.logits(plain, rows, false), expected))
                        .isLessThan(1e-5);
            }
            QuantizedCheckpoint packed = QuantizedCheckpoint.writeMerged(
                    device, llama, NF4, adapter, ComputeType.F32, temp.resolve("packed"));
            try (Checkpoint written = Checkpoint.open(packed.folder())) {
                assertThat(written.weights().read("lm_head.weight"))
                        .isEqualTo(ByteBuffer.wrap(tensor(adapter, HEAD).data()));
            }
        }
    }

    /** For transformers_loads_merged.py {@code -Djunit.jupiter.tempdir.cleanup.mode.default=NEVER} leaves adapter and checkpoint. */
    @ParameterizedTest
    @CsvSource({"embed_tokens", "lm_head", "norm"})
    void mergedIntoATiedBaseTheTwoAreTwo(String alone) {
        List<PackedRow> rows = List.of(TestRows.packed(9, VOCABULARY, 30));
        QuantizationConfig dense = QuantizationConfig.dense(ComputeType.F32);
        Path folder = temp.resolve("merged");
        try (Checkpoint base = checkpoint("gemma2");
                TrainingSession session = open(base, dense, lora(List.of(alone)), TestSessions.ARGUMENTS)) {
            steps(session, 0, 4);
            AdapterFiles.write(session.adapter(), temp.resolve("adapter"));
            MergedCheckpoint.write(device, base, dense, session.adapter(), ComputeType.F32, folder);
            try (Checkpoint written = Checkpoint.open(folder);
                    TrainingSession plain = open(written, dense, lora(List.of()), TestSessions.ARGUMENTS)) {
                assertThat(written.config().tieWordEmbeddings()).isEqualTo(alone.equals("norm"));
                assertThat(Distance.ofLargest(Probe.logits(plain, rows, false), Probe.logits(session, rows, true)))
                        .isLessThan(1e-5);
            }
            Path packed = temp.resolve("packed");
            QuantizedCheckpoint.writeMerged(device, base, NF4, session.adapter(), ComputeType.F32, packed);
            try (Checkpoint written = Checkpoint.open(packed)) {
                assertThat(written.config().tieWordEmbeddings()).isEqualTo(alone.equals("norm"));
                assertThat(written.weights().contains("lm_head.weight")).isEqualTo(!alone.equals("norm"));
            }
        }
    }

    @Test
    void anotherSessionGoesOnAndAGeneratorAnswersWithTheAdapter() {
        List<PackedRow> rows = List.of(TestRows.packed(9, VOCABULARY, 30));
        int[] prompt = {3, 14, 15, 9, 26};
        try (Checkpoint base = checkpoint("qwen3");
                TrainingSession session = open(base, EVERYTHING);
                TrainingSession other = open(base, EVERYTHING)) {
            steps(session, 0, 6);
            other.loadAdapter(session.adapter());
            assertThat(other.evaluate(rows, true)).isEqualTo(session.evaluate(rows, true));
            try (Generator alone = Generator.open(device, base.config(), base.weights(), NF4, session.adapter())) {
                int[] expected = answer(session.generator(), prompt, true);
                assertThat(answer(alone, prompt, true)).isEqualTo(expected);
                assertThat(answer(alone, prompt, false))
                        .isEqualTo(answer(session.generator(), prompt, false))
                        .isNotEqualTo(expected);
            }
        }
    }

    private static int[] answer(Generator generator, int[] prompt, boolean withAdapter) {
        GenerationConfig greedy = GenerationConfig.greedy(8);
        return generator.generate(List.of(prompt), greedy, withAdapter).get(0).tokens();
    }

    /** The base whole or in parts; gradients of whole modules are added up like all others. */
    @Test
    void ranksTakeTheStepsOfOne() {
        TrainingState whole = train(2, false);
        assertThat(train(2, true)).isEqualTo(whole);
        TrainingState one = train(1, false);
        for (int i = 0; i < one.tensors().size(); i++) {
            NamedTensor tensor = one.tensors().get(i);
            assertThat(Distance.relativeNorm(ParityModel.floats(whole.tensors().get(i)), ParityModel.floats(tensor)))
                    .as(tensor.name())
                    .isLessThan(1e-4);
        }
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
                    TrainingSession session = TrainingSession.open(
                            own, llama.config(), llama.weights(), NF4, lora(EVERYTHING), arguments, TOKENS, part)) {
                for (int step = 0; step < 3; step++) {
                    List<List<PackedRow>> batches = new ArrayList<>();
                    for (int i = collective.rank(); i < 2; i += ranks) {
                        batches.add(List.of(TestRows.packed(10L * step + i, VOCABULARY, 9 + i, 14)));
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

    /** More than a row of a table is to hold; an optimizer's blocks of 8 bits are those of the whole. */
    @Test
    void largeWeightsAreInPiecesButWholeInFiles() throws IOException {
        String text = TinyModels.CONFIG.replace("\"vocab_size\": 51", "\"vocab_size\": 40000");
        ModelConfig config = ModelConfig.parse(text, "large");
        Path folder = TinyModels.write(temp.resolve("large"), text, TinyModels.tensors(config));
        TrainingArguments arguments =
                TestSessions.ARGUMENTS.toBuilder().optim(Optim.PAGED_ADAMW_8BIT).build();
        try (Checkpoint base = Checkpoint.open(folder);
                TrainingSession session = open(base, NF4, lora(EVERYTHING), arguments);
                TrainingSession other = open(base, NF4, lora(EVERYTHING), arguments)) {
            TrainingState half = steps(session, 0, 2);
            assertThat(saved(session.adapter()))
                    .contains(HEAD + "[0:32768]", HEAD + "[32768:40000]", EMBEDDING + "[0:32768]")
                    .doesNotContain(HEAD);
            long blocks = half.tensors().stream()
                    .filter(tensor -> tensor.name().startsWith(TrainingState.EXP_AVG_ABSMAX + HEAD))
                    .mapToLong(tensor -> tensor.shape()[0])
                    .sum();
            assertThat(blocks).isEqualTo(40000 * 32 / 256);
            TrainingState whole = steps(session, 2, 4);
            other.restore(half);
            assertThat(steps(other, 2, 4)).isEqualTo(whole);

            AdapterFiles.write(session.adapter(), temp.resolve("adapter"));
            try (SafetensorsFile file =
                    SafetensorsFile.open(temp.resolve("adapter").resolve(AdapterFiles.WEIGHTS))) {
                assertThat(file.info(HEAD).shape()).containsExactly(40000L, 32L);
                assertThat(file.info(EMBEDDING).shape()).containsExactly(40000L, 32L);
            }
            Adapter adapter = AdapterFiles.read(temp.resolve("adapter"));
            assertThat(adapter.tensors())
                    .containsExactlyInAnyOrderElementsOf(session.adapter().tensors());
            MergedCheckpoint merged =
                    MergedCheckpoint.write(device, base, NF4, adapter, ComputeType.F32, temp.resolve("merged"));
            try (Checkpoint written = Checkpoint.open(merged.folder());
                    SafetensorsFile file =
                            SafetensorsFile.open(temp.resolve("adapter").resolve(AdapterFiles.WEIGHTS))) {
                assertThat(written.weights().read("lm_head.weight")).isEqualTo(file.readRows(HEAD, 0, 40000));
            }
        }
    }

    @Test
    void thePlanIsWhatASessionTakes() {
        TrainingArguments arguments = TestSessions.ARGUMENTS;
        MemoryPlan without = MemoryPlan.of(device.traits(), llama.config(), NF4, lora(List.of()), arguments, TOKENS);
        MemoryPlan plan = MemoryPlan.of(device.traits(), llama.config(), NF4, lora(EVERYTHING), arguments, TOKENS);
        long bytes = 2L * llama.config().vocabSize() * llama.config().hiddenSize() * Float.BYTES;
        assertThat(plan.gradients() - without.gradients()).isGreaterThan(bytes);
        assertThat(plan.optimizerState() - without.optimizerState()).isGreaterThan(2 * bytes);
    }

    @Test
    void whatCantBeIsRefusedByName() {
        refused(
                lora(List.of("lm_head", "wte")),
                "QLORA-T200: modules_to_save has wte, and no module's name ends with that",
                "embed_tokens, input_layernorm, post_attention_layernorm, norm, lm_head");
        refused(
                lora(List.of("v_proj")),
                "QLORA-T201: modules_to_save has v_proj, with which the name of model.layers.0.self_attn.v_proj, ",
                "give them an adapter with target_modules");
        refused(lora(List.of("mlp")), "QLORA-T201: modules_to_save has mlp, with which the name of model.layers.0.mlp");
        refused(
                lora(List.of("lm_head"), "q_proj", "lm_head"),
                "QLORA-T202: lm_head is among modules_to_save, which are trained whole, and among target_modules");
        TrainingArguments pairs = TestSessions.ARGUMENTS.toBuilder()
                .preference(new PreferenceArguments(0.1, 0))
                .build();
        refused(
                () -> open(llama, NF4, lora(EVERYTHING), pairs),
                "QLORA-T203: modules_to_save is not supported in stage: dpo");
        refused(
                () -> MultiAdapterSession.open(
                        device,
                        llama.config(),
                        llama.weights(),
                        NF4,
                        lora(EVERYTHING),
                        TestSessions.ARGUMENTS,
                        TOKENS,
                        1),
                "QLORA-T204: modules_to_save has each adapter bring whole weights of its own");
        assertThatThrownBy(() -> lora(List.of(" ")))
                .hasMessageContaining("modules_to_save is [ ], expected names of modules, or ends of names");
    }

    private void refused(LoraConfig lora, String... parts) {
        refused(() -> open(llama, NF4, lora, TestSessions.ARGUMENTS), parts);
    }

    private static void refused(ThrowingCallable open, String... parts) {
        assertThatThrownBy(open).hasMessageContainingAll(parts);
    }
}
