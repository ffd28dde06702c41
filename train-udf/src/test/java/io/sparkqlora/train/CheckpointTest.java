// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CheckpointTest {

    private static final String INDEX = "model.safetensors.index.json";

    @TempDir
    Path temp;

    private static void assertRefused(Path folder, String code, String... parts) {
        assertThatThrownBy(() -> Checkpoint.open(folder)).isInstanceOfSatisfying(QLoraException.class, e -> {
            assertThat(e.kind()).isEqualTo(Kind.INPUT);
            assertThat(e.code()).isEqualTo(code);
            assertThat(e.getMessage()).contains(parts).hasLineCount(1);
        });
    }

    /** Two shards and their index, the tensors spread by turns. */
    private static Path sharded(Path folder, List<NamedTensor> tensors) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), TinyModels.CONFIG);
        List<String> map = new ArrayList<>();
        for (int shard = 1; shard <= 2; shard++) {
            String name = "model-0000" + shard + "-of-00002.safetensors";
            List<NamedTensor> part = new ArrayList<>();
            for (int i = shard - 1; i < tensors.size(); i += 2) {
                part.add(tensors.get(i));
                map.add("\"" + tensors.get(i).name() + "\": \"" + name + "\"");
            }
            SafetensorsWriter.write(folder.resolve(name), part, Map.of("format", "pt"));
        }
        Files.writeString(folder.resolve(INDEX), "{\"weight_map\": {" + String.join(", ", map) + "}}");
        return folder;
    }

    @Test
    void opensOneFileAndShardsAlike() throws IOException {
        try (Checkpoint single = Checkpoint.open(TinyModels.write(temp.resolve("single")));
                Checkpoint shards = Checkpoint.open(sharded(temp.resolve("shards"), TinyModels.tensors()))) {
            assertThat(shards.config()).isEqualTo(single.config()).isEqualTo(TinyModels.config());
            assertThat(shards.weights().names())
                    .hasSize(21)
                    .hasSameElementsAs(single.weights().names());
            for (NamedTensor tensor : TinyModels.tensors()) {
                byte[] data = new byte[tensor.data().length];
                shards.weights().read(tensor.name()).get(data);
                assertThat(data).isEqualTo(tensor.data());
                assertThat(single.weights().read(tensor.name()))
                        .isEqualTo(shards.weights().read(tensor.name()));
            }
        }
    }

    @Test
    void theFingerprintFollowsTheContentNotThePlace() throws IOException {
        List<NamedTensor> tensors = TinyModels.tensors();
        String first = fingerprint(TinyModels.write(temp.resolve("a")));
        assertThat(fingerprint(TinyModels.write(temp.resolve("b"))))
                .isEqualTo(first)
                .hasSize(64);
        tensors.get(3).data()[5] ^= 1;
        assertThat(fingerprint(TinyModels.write(temp.resolve("c"), TinyModels.CONFIG, tensors)))
                .isNotEqualTo(first);
        String config = TinyModels.CONFIG.replace("10000.0", "10001.0");
        assertThat(fingerprint(TinyModels.write(temp.resolve("d"), config, TinyModels.tensors())))
                .isNotEqualTo(first);
    }

    private static String fingerprint(Path folder) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            return checkpoint.fingerprint();
        }
    }

    @Test
    void generationConfigDecidesOnEndTokens() throws IOException {
        Path folder = TinyModels.write(temp.resolve("m"));
        Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": [2, 7]}");
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            assertThat(checkpoint.config().eosTokenIds()).containsExactly(2, 7);
        }
    }

    @Test
    void aTiedCheckpointNeedsNoOutputProjection() throws IOException {
        List<NamedTensor> tied = new ArrayList<>(TinyModels.tensors());
        tied.removeIf(t -> t.name().equals("lm_head.weight"));
        String config = TinyModels.CONFIG.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
        try (Checkpoint checkpoint = Checkpoint.open(TinyModels.write(temp.resolve("m"), config, tied))) {
            assertThat(checkpoint.config().tieWordEmbeddings()).isTrue();
        }
        assertRefused(
                TinyModels.write(temp.resolve("untied"), TinyModels.CONFIG, tied),
                "QLORA-T018",
                "model.safetensors: tensor lm_head.weight is missing",
                "\"tie_word_embeddings\": true");
    }

    @Test
    void missingPartsAreRefused() throws IOException {
        Path folder = temp.resolve("m");
        assertRefused(folder, "QLORA-T001", folder + " does not exist");
        Files.createDirectories(folder);
        assertRefused(folder, "QLORA-T001", "config.json does not exist");
        Files.writeString(folder.resolve("config.json"), TinyModels.CONFIG);
        assertRefused(folder, "QLORA-T015", "neither model.safetensors nor model.safetensors.index.json");
        Files.write(folder.resolve("pytorch_model.bin"), new byte[1]);
        assertRefused(folder, "QLORA-T015", "pytorch_model.bin is not read", "safe_serialization=True");
    }

    @Test
    void aTruncatedFileIsRefused() throws IOException {
        Path folder = TinyModels.write(temp.resolve("m"));
        Path file = folder.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(bytes, bytes.length - 100));
        assertRefused(folder, "QLORA-T013", file.toString(), "it is truncated; download or copy it again");
    }

    @Test
    void missingShardsAndTensorsAreRefused() throws IOException {
        Path folder = sharded(temp.resolve("m"), TinyModels.tensors());
        Path first = folder.resolve("model-00001-of-00002.safetensors");
        Path second = folder.resolve("model-00002-of-00002.safetensors");
        Files.move(second, folder.resolve("elsewhere"));
        assertRefused(folder, "QLORA-T017", second + " does not exist", INDEX + " names it");
        Files.copy(first, second);
        assertRefused(folder, "QLORA-T018", second.toString(), "is missing", INDEX + " says it is there");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"weight_map\": {}}",
                "{\"weight_map\": {\"a\": 3}}",
                "{\"weight_map\": {\"a\": \"../b.safetensors\"}}",
                "{\"weight_map\": {\"a\": \"/etc/passwd\"}}"
            })
    void badIndexesAreRefused(String index) throws IOException {
        Path folder = Files.createDirectories(temp.resolve("m"));
        Files.writeString(folder.resolve("config.json"), TinyModels.CONFIG);
        Files.writeString(folder.resolve(INDEX), index);
        assertRefused(folder, "QLORA-T016", INDEX + ": weight_map");
        Files.writeString(folder.resolve(INDEX), "{");
        assertRefused(folder, "QLORA-T003", INDEX + " is not valid JSON");
    }

    private Path changed(String name, UnaryOperator<NamedTensor> change) throws IOException {
        List<NamedTensor> tensors = new ArrayList<>(TinyModels.tensors());
        tensors.replaceAll(t -> t.name().equals(name) ? change.apply(t) : t);
        return TinyModels.write(temp.resolve("m"), TinyModels.CONFIG, tensors);
    }

    @Test
    void wrongShapesAreRefused() throws IOException {
        String name = "model.layers.1.mlp.up_proj.weight";
        Path folder = changed(name, t -> new NamedTensor(name, t.dtype(), new long[] {32, 48}, t.data()));
        assertRefused(
                folder,
                "QLORA-T019",
                "model.safetensors: tensor " + name + " has shape [32, 48], expected [48, 32] by config.json");
    }

    @Test
    void weightsOfOtherTypesAreRefused() throws IOException {
        String name = "model.norm.weight";
        Path folder = changed(name, t -> new NamedTensor(name, DType.I8, new long[] {32}, new byte[32]));
        assertRefused(folder, "QLORA-T020", "tensor " + name + " has dtype I8, supported are F32, F16, BF16");
    }

    @Test
    void randomWeightsAreAFunctionOfTheSeed() {
        WeightSource one = new RandomWeights(TinyModels.config(), 1);
        WeightSource same = new RandomWeights(TinyModels.config(), 1);
        WeightSource other = new RandomWeights(TinyModels.config(), 2);
        String name = "model.layers.0.self_attn.q_proj.weight";
        assertThat(one.read(name)).isEqualTo(same.read(name)).isNotEqualTo(other.read(name));
        assertThat(one.readRows(name, 3, 5)).isEqualTo(one.read(name).slice(3 * 64, 2 * 64));
        assertThat(one.read("model.norm.weight").getShort(0)).isEqualTo((short) 0x3F80);
        double sum = 0;
        for (int i = 0; i < 1024; i++) {
            double value = Float.intBitsToFloat(one.read(name).getShort(2 * i) << 16);
            sum += value * value;
        }
        assertThat(Math.sqrt(sum / 1024)).isBetween(0.018, 0.022);
    }
}
