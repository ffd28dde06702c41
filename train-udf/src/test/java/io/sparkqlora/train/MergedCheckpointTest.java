// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MergedCheckpointTest {

    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);
    private static final QuantizationConfig DENSE = QuantizationConfig.dense(ComputeType.F32);

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private static Path model(String name) {
        return Path.of("src/test/resources/parity", name);
    }

    /** Whose logits {@link ParityTest} holds against transformers, peft and bitsandbytes. */
    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama-odd", "qwen2", "phi3", "gemma2"})
    void theMergedModelGivesTheLogitsOfBaseAndAdapter(String name) {
        try (ParityModel model = new ParityModel(model(name))) {
            Adapter adapter = model.adapter("adapter_final");
            float[] expected = logits(model.checkpoint(), NF4, adapter, model.rows());
            MergedCheckpoint merged = merge(model.checkpoint(), NF4, adapter, ComputeType.F32);
            assertThat(merged.mergedWeights()).isEqualTo(adapter.tensors().size() / 2);
            try (Checkpoint written = Checkpoint.open(merged.folder())) {
                float[] without = logits(written, DENSE, null, model.rows());
                assertThat(Distance.ofLargest(without, expected)).isLessThan(1e-5);
                assertThat(Distance.ofLargest(logits(model.checkpoint(), NF4, null, model.rows()), expected))
                        .as("the adapter does something")
                        .isGreaterThan(1e-2);
            }
        }
    }

    /** As long as the inputs' 8 bits are left out: by 16 bits for every column, outliers or not. */
    @Test
    void aBaseIn8BitsIsMergedAsItWasTrainedWith() {
        QuantizationConfig int8 = DENSE.withInt8(1e-6);
        try (ParityModel model = new ParityModel(model("llama"))) {
            Adapter adapter = model.adapter("adapter_final");
            float[] expected = logits(model.checkpoint(), int8, adapter, model.rows());
            MergedCheckpoint merged = merge(model.checkpoint(), int8, adapter, ComputeType.F32);
            try (Checkpoint written = Checkpoint.open(merged.folder())) {
                assertThat(Distance.ofLargest(logits(written, DENSE, null, model.rows()), expected))
                        .isLessThan(1e-5);
            }
            assertThat(Distance.ofLargest(logits(model.checkpoint(), DENSE, adapter, model.rows()), expected))
                    .as("8 bits are no more than that")
                    .isGreaterThan(1e-4);
        }
    }

    private MergedCheckpoint merge(Checkpoint base, QuantizationConfig held, Adapter adapter, ComputeType dtype) {
        return MergedCheckpoint.write(device, base, held, adapter, dtype, temp.resolve("merged"));
    }

    private float[] logits(Checkpoint checkpoint, QuantizationConfig held, Adapter adapter, List<PackedRow> rows) {
        int tokens = rows.stream().mapToInt(PackedRow::numTokens).sum();
        LoraConfig lora = adapter == null
                ? LoraConfig.builder().targetModules(TargetModules.allLinear()).build()
                : adapter.config();
        TrainingArguments arguments = TrainingArguments.builder().maxSteps(1).build();
        try (TrainingSession session = TrainingSession.open(
                device, checkpoint.config(), checkpoint.weights(), held, lora, arguments, tokens)) {
            if (adapter != null) {
                session.loadAdapter(adapter);
            }
            return Probe.logits(session, rows, adapter != null);
        }
    }

    /** In BF16, from two files with an index, and beside what a tokenizer needs. */
    @Test
    void aCheckpointOfSeveralFilesStaysOne() throws IOException {
        Path base = Files.createDirectories(temp.resolve("base"));
        shard(model("llama"), base);
        Files.writeString(base.resolve("tokenizer.json"), "{}");
        Files.writeString(base.resolve("README.md"), "not copied");
        Adapter adapter = AdapterFiles.read(model("llama").resolve("adapter_final"));
        try (Checkpoint checkpoint = Checkpoint.open(base)) {
            MergedCheckpoint merged = merge(checkpoint, DENSE, adapter, ComputeType.BF16);
            assertThat(names(merged.folder()))
                    .containsExactly(
                            "config.json",
                            "model-00001-of-00002.safetensors",
                            "model-00002-of-00002.safetensors",
                            "model.safetensors.index.json",
                            "tokenizer.json");
            assertThat(new ObjectMapper()
                            .readTree(merged.folder()
                                    .resolve("model.safetensors.index.json")
                                    .toFile())
                            .path("metadata")
                            .path("total_size")
                            .asLong())
                    .isEqualTo(merged.bytes());
            assertThat(Files.readString(merged.folder().resolve("config.json"))).contains("\"bfloat16\"");
            try (Checkpoint written = Checkpoint.open(merged.folder())) {
                assertThat(written.weights().names())
                        .isEqualTo(checkpoint.weights().names());
                for (String name : written.weights().names()) {
                    assertThat(written.weights().info(name))
                            .isEqualTo(new TensorInfo(
                                    DType.BF16, checkpoint.weights().info(name).shape()));
                }
                String norm = "model.norm.weight";
                assertThat(written.weights().read(norm))
                        .isEqualTo(checkpoint.weights().read(norm));
            }
        }
    }

    static void shard(Path model, Path folder) throws IOException {
        StringBuilder map = new StringBuilder();
        try (Checkpoint checkpoint = Checkpoint.open(model)) {
            List<List<NamedTensor>> shards = List.of(new ArrayList<>(), new ArrayList<>());
            int at = 0;
            for (String name : checkpoint.weights().names()) {
                TensorInfo info = checkpoint.weights().info(name);
                byte[] data = new byte[(int) info.bytes()];
                checkpoint.weights().read(name).get(data);
                long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
                int shard = at++ % 2;
                shards.get(shard).add(new NamedTensor(name, info.dtype(), shape, data));
                map.append(map.isEmpty() ? "" : ",").append(String.format("\"%s\":\"%s\"", name, file(shard)));
            }
            for (int i = 0; i < 2; i++) {
                SafetensorsWriter.write(folder.resolve(file(i)), shards.get(i), Map.of());
            }
        }
        Files.writeString(folder.resolve("model.safetensors.index.json"), "{\"weight_map\":{" + map + "}}");
        Files.copy(model.resolve("config.json"), folder.resolve("config.json"));
    }

    private static String file(int shard) {
        return "model-0000" + (shard + 1) + "-of-00002.safetensors";
    }

    private static List<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void whatCannotBeMergedIsRefusedBeforeAnythingIsWritten() throws IOException {
        Adapter adapter = AdapterFiles.read(model("llama").resolve("adapter_final"));
        Path foreign = Files.createDirectories(temp.resolve("foreign"));
        Files.writeString(foreign.resolve("pytorch.safetensors"), "");
        try (Checkpoint base = Checkpoint.open(model("llama"));
                Checkpoint other = Checkpoint.open(model("phi3"))) {
            assertThatThrownBy(
                            () -> MergedCheckpoint.write(device, base, NF4, adapter, ComputeType.BF16, base.folder()))
                    .hasMessageContaining("QLORA-T136: " + base.folder() + " holds config.json");
            assertThatThrownBy(() -> MergedCheckpoint.write(device, base, NF4, adapter, ComputeType.BF16, foreign))
                    .hasMessageContaining("QLORA-T136: " + foreign + " holds pytorch.safetensors");
            assertThatThrownBy(() -> merge(other, NF4, adapter, ComputeType.BF16))
                    .hasMessageContaining("QLORA-T054: target_modules: ");
            assertThatThrownBy(() -> merge(base, NF4, adapter, ComputeType.F16))
                    .hasMessage("QLORA-T166: a merged checkpoint can't be written in F16; choose BF16 or F32");
            assertThat(temp.resolve("merged")).doesNotExist();
        }
    }
}
