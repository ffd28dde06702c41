// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Modules with ranks and scales of their own, against an adapter that peft made (adapters_reference.py). */
class ModulePatternTest {

    private static final Path LLAMA = Path.of("src/test/resources/models/llama");
    private static final Path ADAPTERS = Path.of("src/test/resources/adapters");

    @TempDir
    Path temp;

    @Test
    void eachModuleHasTheRankAndTheScaleThatPeftGivesIt() throws IOException {
        LoraConfig lora = AdapterFiles.read(ADAPTERS.resolve("patterns")).config();
        JsonNode modules =
                new ObjectMapper().readTree(ADAPTERS.resolve("patterns.json").toFile());
        assertThat(modules).hasSize(12);
        for (Map.Entry<String, JsonNode> module : modules.properties()) {
            assertThat(lora.r(module.getKey()))
                    .as(module.getKey())
                    .isEqualTo(module.getValue().get(0).asInt());
            assertThat(lora.scaling(module.getKey()))
                    .as(module.getKey())
                    .isCloseTo(module.getValue().get(1).asDouble(), within(1e-12));
        }
        assertThat(lora.highestRank()).isEqualTo(9);
    }

    @Test
    void readsWhatPeftWroteAndWritesItAgainWithTheSameKeysAndBytes() throws IOException {
        Path peft = ADAPTERS.resolve("patterns");
        AdapterFiles.write(AdapterFiles.read(peft), temp);
        ObjectMapper json = new ObjectMapper();
        JsonNode written = json.readTree(temp.resolve("adapter_config.json").toFile());
        JsonNode original = json.readTree(peft.resolve("adapter_config.json").toFile());
        for (String key : List.of("rank_pattern", "alpha_pattern", "r", "lora_alpha", "use_rslora")) {
            assertThat(written.path(key)).as(key).isEqualTo(original.path(key));
        }
        assertThat(temp.resolve("adapter_model.safetensors"))
                .hasSameBinaryContentAs(peft.resolve("adapter_model.safetensors"));
    }

    @Test
    void itsLogitsAreThoseOfPeft() {
        Adapter adapter = AdapterFiles.read(ADAPTERS.resolve("patterns"));
        // an entry that is of no module is none in peft, and refused where one trains
        LoraConfig used = without(adapter.config(), "oj");
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
                Checkpoint base = Checkpoint.open(LLAMA);
                SafetensorsFile expected = SafetensorsFile.open(ADAPTERS.resolve("expected.safetensors"));
                TrainingSession session = TrainingSession.open(
                        device,
                        base.config(),
                        base.weights(),
                        QuantizationConfig.dense(ComputeType.F32),
                        used,
                        TestSessions.ARGUMENTS,
                        64)) {
            List<PackedRow> rows = List.of(row(expected));
            float[] plain = Probe.logits(session, rows, false);
            assertThat(Distance.ofLargest(plain, floats(expected, "base"))).isLessThan(1e-4);
            session.loadAdapter(new Adapter(used, null, adapter.tensors()));
            float[] ours = Probe.logits(session, rows, true);
            float[] theirs = floats(expected, "patterns");
            assertThat(Distance.ofLargest(ours, theirs)).isLessThan(1e-4);
            assertThat(Distance.relativeNorm(plain, theirs)).isGreaterThan(0.05);
        }
    }

    private static LoraConfig without(LoraConfig lora, String expression) {
        List<ModulePattern.Entry> left = new ArrayList<>(lora.rankPattern().entries());
        left.removeIf(entry -> entry.expression().equals(expression));
        return LoraConfig.builder()
                .r(lora.r())
                .loraAlpha(lora.loraAlpha())
                .useRslora(lora.useRslora())
                .targetModules(lora.targetModules())
                .rankPattern(new ModulePattern(left))
                .alphaPattern(lora.alphaPattern())
                .build();
    }

    private static PackedRow row(SafetensorsFile expected) {
        int[] ids = new int[(int) expected.info("input_ids").cols()];
        expected.read("input_ids").order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(ids);
        return PackedRow.single(0, ids, ids);
    }

    private static float[] floats(SafetensorsFile file, String name) {
        float[] values =
                new float[(int) (file.info(name).rows() * file.info(name).cols())];
        file.read(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    private static LoraConfig uneven(double dropout) {
        Map<String, Integer> ranks = new LinkedHashMap<>();
        ranks.put("layers.0.*(q|k)_proj", 2);
        ranks.put("v_proj", 6);
        return LoraConfig.builder()
                .r(4)
                .loraAlpha(8)
                .loraDropout(dropout)
                .targetModules(TargetModules.names("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"))
                .rankPattern(ModulePattern.of(ranks))
                .alphaPattern(ModulePattern.of(Map.of("up_proj", 3)))
                .build();
    }

    /** Adapters of uneven groups beside each other are those that are trained alone, and a run goes on bit for bit. */
    @ParameterizedTest
    @EnumSource(
            value = Optim.class,
            names = {"ADAMW_TORCH", "PAGED_ADAMW_8BIT"})
    void unevenAdaptersAreTrainedTogetherAsAlone(Optim optim) {
        LoraConfig lora = uneven(0.1);
        TrainingArguments arguments =
                TestTenants.arguments(1).toBuilder().optim(optim).build();
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
                MultiAdapterSession together = TestTenants.open(device, lora, arguments)) {
            together.start(0, TestTenants.arguments(0).toBuilder().optim(optim).build());
            together.start(1, arguments);
            TrainingState alone;
            try (TrainingSession session = TestSessions.open(device, lora, arguments);
                    TrainingSession other = TestSessions.open(device, lora, arguments)) {
                for (int step = 0; step < 2; step++) {
                    together.step(TestTenants.together(step, 0, 1)).values().forEach(SlotOutcome::orThrow);
                    session.step(TestTenants.rows(1, step));
                    other.restore(session.state());
                }
                together.step(TestTenants.together(2, 0, 1)).values().forEach(SlotOutcome::orThrow);
                session.step(TestTenants.rows(1, 2));
                other.step(TestTenants.rows(1, 2));
                alone = session.state();
                assertThat(other.state().sha256()).isEqualTo(alone.sha256());
            }
            List<NamedTensor> mixed = together.state(1).tensors();
            for (int i = 0; i < mixed.size(); i++) {
                NamedTensor tensor = alone.tensors().get(i);
                assertThat(mixed.get(i).name()).isEqualTo(tensor.name());
                if (tensor.name().startsWith("base_model")) {
                    assertThat(Distance.relativeNorm(ParityModel.floats(mixed.get(i)), ParityModel.floats(tensor)))
                            .as(tensor.name())
                            .isLessThan(optim == Optim.ADAMW_TORCH ? 1e-5 : 1e-3);
                }
            }
        }
    }

    /** What a plan says of an uneven adapter is what a step takes. */
    @Test
    void aPlanCountsTheirRanks() {
        ModelConfig model = TinyModels.config();
        try (Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));
                TrainingSession session = TestSessions.open(device, uneven(0), TestSessions.ARGUMENTS)) {
            MemoryPlan plan = MemoryPlan.of(
                    device.traits(),
                    model,
                    QuantizationConfig.nf4(ComputeType.F32),
                    uneven(0),
                    TestSessions.ARGUMENTS,
                    TestSessions.MAX_TOKENS);
            session.step(
                    List.of(List.of(TestRows.packed(1, 51, TestSessions.MAX_TOKENS / 2, TestSessions.MAX_TOKENS / 2))));
            assertThat(device.peakBytes()).isLessThanOrEqualTo(plan.total());
            long parameters = session.adapter().tensors().stream()
                    .mapToLong(tensor -> tensor.data().length)
                    .sum();
            // rank 2 of q and k in the first layer, 4 in the second, 6 of v; 4 of gate and up
            assertThat(parameters / 4).isEqualTo(2 * (64 + 48) + 4 * (64 + 48) + 2 * 6 * 48 + 2 * 2 * 4 * 80);
        }
    }

    @Test
    void patternsThatSayNothingAreRefused() {
        assertThatThrownBy(() -> ModulePattern.of(Map.of("(q_proj", 2)))
                .hasMessageStartingWith(
                        "QLORA-T170: rank_pattern or alpha_pattern: (q_proj is not a regular expression");
        assertThatThrownBy(() -> LoraConfig.builder()
                        .rankPattern(ModulePattern.of(Map.of("q_proj", 2.5)))
                        .build())
                .hasMessageStartingWith(
                        "QLORA-T050: rank_pattern's q_proj is 2.5, expected a whole number of at least 1");
        LoraConfig useless = LoraConfig.builder()
                .alphaPattern(ModulePattern.of(Map.of("down_proj", 2)))
                .build();
        assertThatThrownBy(() -> MemoryPlan.of(
                        io.sparkqlora.kernels.DeviceTraits.HOST,
                        TinyModels.config(),
                        QuantizationConfig.nf4(ComputeType.F32),
                        useless,
                        TestSessions.ARGUMENTS,
                        64))
                .hasMessageStartingWith(
                        "QLORA-T133: alpha_pattern: down_proj is of no module that target_modules means; those are model.layers.0.self_attn.q_proj");
    }
}
