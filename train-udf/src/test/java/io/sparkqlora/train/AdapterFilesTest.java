// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdapterFilesTest {

    /** Saved by peft 0.21. */
    private static final Path PEFT = Path.of("src/test/resources/models/llama/adapter_init");

    private static final String A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    private static final String B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

    @TempDir
    Path temp;

    private static NamedTensor f32(String name, long... shape) {
        ByteBuffer data = ByteBuffer.allocate((int) (4 * shape[0] * shape[1])).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; data.hasRemaining(); i++) {
            data.putFloat(0.5f * i - 3);
        }
        return new NamedTensor(name, DType.F32, shape, data.array());
    }

    private static Adapter adapter() {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraAlpha(2.5)
                .loraDropout(0.05)
                .useRslora(true)
                .targetModules(TargetModules.names("q_proj"))
                .build();
        return new Adapter(lora, "some/base", List.of(f32(A, 4, 6), f32(B, 3, 4)));
    }

    private static List<String> files(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void readsWhatItWrote() throws IOException {
        Path folder = temp.resolve("deep/adapter");
        AdapterFiles.write(adapter(), folder);
        assertThat(AdapterFiles.read(folder)).isEqualTo(adapter());
        assertThat(files(folder)).containsExactly("adapter_config.json", "adapter_model.safetensors");
    }

    @Test
    void whatLeavesModulesOutIsWrittenAsPeftWritesIt() throws IOException {
        LoraConfig config = LoraConfig.builder()
                .r(4)
                .targetModules(TargetModules.names("q_proj"))
                .layers(new LayerChoice(TargetModules.of(".*layers\\.3.*"), List.of(0, 2), List.of("layers")))
                .initLoraWeights(InitLoraWeights.GAUSSIAN)
                .build();
        Adapter adapter = new Adapter(config, "base", adapter().tensors());
        AdapterFiles.write(adapter, temp);
        assertThat(AdapterFiles.read(temp)).isEqualTo(adapter);
        JsonNode json =
                new ObjectMapper().readTree(temp.resolve("adapter_config.json").toFile());
        assertThat(json.path("exclude_modules").asText()).isEqualTo(".*layers\\.3.*");
        assertThat(json.path("layers_to_transform")).hasToString("[0,2]");
        assertThat(json.path("layers_pattern")).hasToString("[\"layers\"]");
        assertThat(json.path("init_lora_weights").asText()).isEqualTo("gaussian");
    }

    @Test
    void readsWhatPeftWroteAndWritesItAgainWithTheSameKeysAndBytes() throws IOException {
        Adapter adapter = AdapterFiles.read(PEFT);
        assertThat(adapter.config().r()).isEqualTo(8);
        assertThat(adapter.config().scaling()).isEqualTo(2.0);
        assertThat(adapter.baseModelNameOrPath()).isEqualTo("llama");
        assertThat(adapter.tensors()).hasSize(28);
        AdapterFiles.write(adapter, temp);
        ObjectMapper json = new ObjectMapper();
        JsonNode written = json.readTree(temp.resolve("adapter_config.json").toFile());
        JsonNode original = json.readTree(PEFT.resolve("adapter_config.json").toFile());
        assertThat(written).isEqualTo(original);
        assertThat(temp.resolve("adapter_model.safetensors"))
                .hasSameBinaryContentAs(PEFT.resolve("adapter_model.safetensors"));
    }

    @Test
    void itsHashIsThatOfBothFiles() throws IOException {
        AdapterFiles.write(adapter(), temp);
        String hash = AdapterFiles.sha256(temp);
        assertThat(hash).hasSize(64).isEqualTo(AdapterFiles.sha256(temp));
        Path config = temp.resolve(AdapterFiles.CONFIG);
        Files.writeString(config, Files.readString(config).replace("2.5", "2.25"));
        assertThat(AdapterFiles.sha256(temp)).isNotEqualTo(hash);
        AdapterFiles.write(adapter(), temp);
        assertThat(AdapterFiles.sha256(temp)).isEqualTo(hash);
        rewrite(List.of(f32(A, 4, 6), f32(B, 3, 4), f32("x", 1, 1)));
        assertThat(AdapterFiles.sha256(temp)).isNotEqualTo(hash);
    }

    @Test
    void whetherAnAdapterFitsABaseIsKnownFromItsConfigurationAlone() {
        ModelConfig model = TinyModels.config();
        Adapter peft = AdapterFiles.read(PEFT);
        assertThat(AdapterFit.modules(peft.config(), model)).hasSize(14).contains("model.layers.1.mlp.up_proj");
        assertThatThrownBy(() -> AdapterFit.require(peft, model))
                .hasMessageContaining("QLORA-T055: the adapter does not fit this run")
                .hasMessageContaining("expected F32 [8, 32]");
    }

    @Test
    void aBaseOnTheHubHasItsNameAndRevisionAsPeftHasThem() throws IOException {
        Adapter read = AdapterFiles.read(PEFT);
        AdapterFiles.write(new Adapter(read.config(), "hf://org/model@abc", read.tensors()), temp);
        JsonNode json =
                new ObjectMapper().readTree(temp.resolve("adapter_config.json").toFile());
        assertThat(json.path("base_model_name_or_path").asText()).isEqualTo("org/model");
        assertThat(json.path("revision").asText()).isEqualTo("abc");
        assertThat(AdapterFiles.read(temp).baseModelNameOrPath()).isEqualTo("hf://org/model@abc");
        assertThat(AdapterFiles.readBase(temp)).isEqualTo("hf://org/model@abc");
        AdapterFiles.write(new Adapter(read.config(), "org/model", read.tensors()), temp);
        assertThat(AdapterFiles.readBase(temp)).isEqualTo("org/model");
    }

    @Test
    void replacesAnAdapterAndLeavesOtherFiles() throws IOException {
        Files.writeString(temp.resolve("README.md"), "mine");
        AdapterFiles.write(AdapterFiles.read(PEFT), temp);
        AdapterFiles.write(adapter(), temp);
        assertThat(AdapterFiles.read(temp)).isEqualTo(adapter());
        assertThat(files(temp)).containsExactly("README.md", "adapter_config.json", "adapter_model.safetensors");
    }

    @Test
    void aFailedWriteLeavesTheOldAdapterWhole() throws IOException {
        AdapterFiles.write(adapter(), temp);
        NamedTensor twice = adapter().tensors().get(0);
        Path blocked = temp.resolve("file");
        Files.writeString(blocked, "");
        assertThatThrownBy(() -> AdapterFiles.write(adapter(), blocked))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.CONFIG))
                .hasMessageContaining("QLORA-T021: " + blocked + " can't be written")
                .hasMessageContaining("check the path");
        assertThat(AdapterFiles.read(temp).tensors()).contains(twice);
        assertThat(files(temp)).containsExactly("adapter_config.json", "adapter_model.safetensors", "file");
    }

    @Test
    void halfPrecisionTensorsBecomeF32Exactly() throws IOException {
        AdapterFiles.write(adapter(), temp);
        byte[] f16 = halves(0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x3555, 0x7C00, 0x03FF);
        byte[] bf16 = halves(0x3F80, 0xC000, 0x0001, 0x7F7F);
        rewrite(List.of(
                new NamedTensor(A, DType.F16, new long[] {4, 2}, f16),
                new NamedTensor(B, DType.BF16, new long[] {1, 4}, bf16)));
        List<NamedTensor> tensors = AdapterFiles.read(temp).tensors();
        assertThat(floats(tensors.get(0)))
                .containsExactly(
                        1f, -2f, 0x1p-24f, 65504f, -0f, 0.333251953125f, Float.POSITIVE_INFINITY, 0x1.ff8p-15f);
        assertThat(floats(tensors.get(1))).containsExactly(1f, -2f, Float.intBitsToFloat(0x10000), 0x1.fep127f);
    }

    private static byte[] halves(int... bits) {
        ByteBuffer data = ByteBuffer.allocate(2 * bits.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int half : bits) {
            data.putShort((short) half);
        }
        return data.array();
    }

    private static float[] floats(NamedTensor tensor) {
        float[] values = new float[tensor.data().length / 4];
        ByteBuffer.wrap(tensor.data())
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return values;
    }

    private void rewrite(List<NamedTensor> tensors) throws IOException {
        Files.delete(temp.resolve(AdapterFiles.WEIGHTS));
        SafetensorsWriter.write(temp.resolve(AdapterFiles.WEIGHTS), tensors, Map.of());
    }

    private void assertRefused(String code, String... parts) {
        assertThatThrownBy(() -> AdapterFiles.read(temp)).isInstanceOfSatisfying(QLoraException.class, e -> {
            assertThat(e.kind()).isEqualTo(Kind.INPUT);
            assertThat(e.code()).isEqualTo(code);
            assertThat(e.getMessage()).contains(parts).contains(temp.toString()).hasLineCount(1);
        });
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"bias\" : \"none\" | \"bias\" : \"oft_only\" | QLORA-T022 | bias = \"oft_only\" is not supported",
                "\"modules_to_save\" : null | \"modules_to_save\" : \"lm_head\" | QLORA-T004 | modules_to_save is \"lm_head\", expected a list of module names",
                "\"ensure_weight_tying\" : false | \"modules_to_save\" : [\"lm_head\"], \"ensure_weight_tying\" : true | QLORA-T022 | ensure_weight_tying = true is not supported",
                "\"rank_pattern\" : { } | \"rank_pattern\" : {\"q_proj\": 2} | QLORA-T023 | expected [2, in_features] since r is 2",
                "\"rank_pattern\" : { } | \"rank_pattern\" : {\"q_proj\": 0} | QLORA-T004 | rank_pattern is {\"q_proj\":0}, expected module names with a rank each",
                "\"alpha_pattern\" : { } | \"alpha_pattern\" : [3] | QLORA-T004 | alpha_pattern is [3], expected module names with a number each",
                "\"peft_type\" : \"LORA\" | \"peft_type\" : \"IA3\" | QLORA-T022 | peft_type = \"IA3\"",
                "\"task_type\" : \"CAUSAL_LM\" | \"task_type\" : \"SEQ_CLS\" | QLORA-T022 | task_type = \"SEQ_CLS\"",
                "\"init_lora_weights\" : true | \"init_lora_weights\" : \"pissa\" | QLORA-T022 | init_lora_weights = \"pissa\"",
                "\"bias\" | \"brand_new\" : 3, \"bias\" | QLORA-T022 | brand_new = 3 is not supported",
                "\"r\" : 4 | \"r\" : 0 | QLORA-T004 | r is 0, expected a positive integer",
                "\"r\" : 4 | \"r\" : 5 | QLORA-T023 | it has shape [4, 6], expected [5, in_features] since r is 5",
                "\"lora_dropout\" : 0.05 | \"lora_dropout\" : 1.5 | QLORA-T004 | lora_dropout is 1.5",
                "\"lora_alpha\" : 2.5 | \"lora_alpha\" : \"x\" | QLORA-T004 | lora_alpha is \"x\"",
                "[ \"q_proj\" ] | [] | QLORA-T004 | target_modules is []",
                "{ | [ | QLORA-T003 | is not valid JSON"
            })
    void optionsThatCantBeRunAreRefused(String from, String to, String code, String message) throws IOException {
        AdapterFiles.write(adapter(), temp);
        Path config = temp.resolve(AdapterFiles.CONFIG);
        String json = Files.readString(config);
        assertThat(json).contains(from);
        Files.writeString(config, json.replace(from, to));
        assertRefused(code, message);
    }

    @Test
    void tensorsThatDontFitAreRefused() throws IOException {
        AdapterFiles.write(adapter(), temp);
        rewrite(List.of(f32(A, 4, 6)));
        assertRefused("QLORA-T023", "tensor " + A, "its other half " + B + " is missing");
        rewrite(List.of(f32(A, 4, 6), f32(B, 4, 3)));
        assertRefused("QLORA-T023", "it has shape [4, 3], expected [out_features, 4] since r is 4");
        rewrite(List.of(f32("base_model.model.lm_head.weight", 4, 3)));
        assertRefused("QLORA-T023", "tensor base_model.model.lm_head.weight: only base_model.model.*.lora_A.weight");
        rewrite(List.of());
        assertRefused("QLORA-T014", "it holds no tensor");
        rewrite(List.of(new NamedTensor(A, DType.I8, new long[] {4, 1}, new byte[4]), f32(B, 3, 4)));
        assertRefused("QLORA-T020", "has dtype I8, supported are F32, F16, BF16");
    }

    @Test
    void missingAndDamagedFilesAreRefused() throws IOException {
        assertRefused("QLORA-T001", "adapter_config.json does not exist");
        AdapterFiles.write(adapter(), temp);
        Path weights = temp.resolve(AdapterFiles.WEIGHTS);
        byte[] bytes = Files.readAllBytes(weights);
        Files.write(weights, java.util.Arrays.copyOf(bytes, bytes.length - 1));
        assertRefused("QLORA-T013", "it is truncated");
        Files.delete(weights);
        assertRefused("QLORA-T001", "adapter_model.safetensors does not exist");
    }

    @Test
    void anAdapterWithoutBaseNameHasNone() throws IOException {
        AdapterFiles.write(
                new Adapter(adapter().config(), null, new ArrayList<>(adapter().tensors())), temp);
        assertThat(AdapterFiles.read(temp).baseModelNameOrPath()).isNull();
        try (SafetensorsFile file = SafetensorsFile.open(temp.resolve(AdapterFiles.WEIGHTS))) {
            assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
        }
    }
}
