// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QuantFormat;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuantizedCheckpointTest {

    private static final Path STORED = Path.of("src/test/resources/parity/llama-bnb-nf4");
    private static final Path LLAMA = Path.of("src/test/resources/parity/llama");
    private static final QuantizationConfig NF4 = QuantizationConfig.nf4(ComputeType.F32);
    private static final SkipModules SOME = new SkipModules(List.of("lm_head", "q_proj", "model.layers.1.mlp"));

    @TempDir
    Path temp;

    private final Device device = Devices.open(System.getProperty("qlora.test.backend", "cpu"));

    @AfterEach
    void close() {
        device.close();
    }

    private QuantizedCheckpoint write(Path base, QuantizationConfig format, String folder) {
        try (Checkpoint checkpoint = Checkpoint.open(base)) {
            return QuantizedCheckpoint.write(device, checkpoint, format, temp.resolve(folder));
        }
    }

    private static byte[] bytes(Checkpoint checkpoint, String name) {
        byte[] data = new byte[(int) checkpoint.weights().info(name).bytes()];
        checkpoint.weights().read(name).get(data);
        return data;
    }

    /** bitsandbytes quantised an F32 copy of the weights, and its text says so; they are BF16. */
    private static void assertSameTensor(String name, Checkpoint actual, Checkpoint expected) {
        if (name.contains("quant_state")) {
            String text = new String(bytes(expected, name), StandardCharsets.UTF_8);
            assertThat(new String(bytes(actual, name), StandardCharsets.UTF_8))
                    .isEqualTo(text.replace("\"dtype\": \"float32\"", "\"dtype\": \"bfloat16\""));
        } else {
            assertThat(actual.weights().info(name))
                    .as(name)
                    .isEqualTo(expected.weights().info(name));
            assertThat(bytes(actual, name)).as(name).isEqualTo(bytes(expected, name));
        }
    }

    @Test
    void writesWhatBitsandbytesWrites() {
        QuantizedCheckpoint written = write(LLAMA, NF4, "out");
        assertThat(written.quantizedWeights()).isEqualTo(14);
        assertThat(written.mergedWeights()).isZero();
        try (Checkpoint actual = Checkpoint.open(written.folder());
                Checkpoint expected = Checkpoint.open(STORED)) {
            assertThat(actual.config()).isEqualTo(expected.config());
            assertThat(actual.weights().names())
                    .hasSameElementsAs(expected.weights().names());
            actual.weights().names().forEach(name -> assertSameTensor(name, actual, expected));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "FP4, false, 128, BFLOAT16",
        "NF4, false, 32, FLOAT32",
        "FP4, true, 4096, FLOAT16",
        "NF4, true, 1024, INT8",
        "NF4, true, 64, FLOAT64"
    })
    void whatIsWrittenTrainsAsWhatIsQuantisedWhileLoading(
            QuantFormat.Type type, boolean doubleQuant, int blockSize, QuantStorage storage) {
        QuantizationConfig format =
                new QuantizationConfig(true, type, doubleQuant, blockSize, ComputeType.F32, true, storage, SOME);
        Path folder = write(LLAMA, format, "out").folder();
        StoredQuantization stored;
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            stored = checkpoint.config().quantization();
            assertThat(stored).isEqualTo(new StoredQuantization(type, doubleQuant, blockSize, storage, SOME));
            assertThat(checkpoint
                            .weights()
                            .info("model.layers.0.self_attn.q_proj.weight")
                            .dtype())
                    .isEqualTo(DType.BF16);
            assertThat(checkpoint
                            .weights()
                            .info("model.layers.0.self_attn.k_proj.weight")
                            .dtype())
                    .isEqualTo(storage.dtype());
        }
        TrainingArguments full =
                TestSessions.ARGUMENTS.toBuilder().recompute(Recompute.FULL).build();
        assertThat(StoredWeightsTest.trained(device, folder, NF4.as(stored), TestSessions.ARGUMENTS))
                .isEqualTo(StoredWeightsTest.trained(device, LLAMA, format, full));
    }

    /** Layers that are skipped are those of the file, the others dequantised: the same as a dense base of these weights. */
    @Test
    void skippedLayersAreNotQuantised() {
        QuantizationConfig format = NF4.withSkipModules(SOME);
        TrainingState mixed = StoredWeightsTest.trained(device, LLAMA, format, TestSessions.ARGUMENTS);
        Path dense = dense(write(LLAMA, format, "out").folder(), "dense");
        try (Checkpoint base = Checkpoint.open(LLAMA);
                Checkpoint checkpoint = Checkpoint.open(dense)) {
            assertThat(floats(checkpoint, "model.layers.0.self_attn.q_proj.weight"))
                    .isEqualTo(floats(base, "model.layers.0.self_attn.q_proj.weight"));
            assertThat(floats(checkpoint, "model.layers.0.self_attn.k_proj.weight"))
                    .isNotEqualTo(floats(base, "model.layers.0.self_attn.k_proj.weight"));
        }
        TrainingState expected = StoredWeightsTest.trained(
                device, dense, QuantizationConfig.dense(ComputeType.F32), TestSessions.ARGUMENTS);
        for (int i = 0; i < expected.tensors().size(); i++) {
            assertThat(Distance.relativeNorm(
                            ParityModel.floats(mixed.tensors().get(i)),
                            ParityModel.floats(expected.tensors().get(i))))
                    .as(expected.tensors().get(i).name())
                    .isLessThan(1e-5);
        }
    }

    /** A checkpoint in 4 bits, dequantised: merged with an adapter that adds nothing. */
    private Path dense(Path folder, String to) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
            List<NamedTensor> none = adapter.tensors().stream()
                    .map(tensor -> new NamedTensor(
                            tensor.name(), tensor.dtype(), tensor.shape(), new byte[tensor.data().length]))
                    .toList();
            Adapter nothing = new Adapter(adapter.config(), adapter.baseModelNameOrPath(), none);
            MergedCheckpoint.write(device, checkpoint, NF4, nothing, ComputeType.F32, temp.resolve(to));
        }
        return temp.resolve(to);
    }

    private static float[] floats(Checkpoint checkpoint, String name) {
        TensorInfo info = checkpoint.weights().info(name);
        float[] values = new float[(int) info.size()];
        var bytes = checkpoint.weights().read(name).duplicate().order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < values.length; i++) {
            values[i] = info.dtype() == DType.BF16 ? Float.intBitsToFloat(bytes.getShort() << 16) : bytes.getFloat();
        }
        return values;
    }

    @Test
    void aMergeSaysHowMuchQuantisingChangesIt() {
        Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
        QuantizedCheckpoint written;
        try (Checkpoint base = Checkpoint.open(LLAMA)) {
            written = QuantizedCheckpoint.writeMerged(
                    device, base, NF4, adapter, ComputeType.BF16, temp.resolve("packed"));
            MergedCheckpoint.write(device, base, NF4, adapter, ComputeType.F32, temp.resolve("exact"));
        }
        assertThat(written.mergedWeights()).isEqualTo(14);
        double max = 0;
        double sum = 0;
        try (Checkpoint exact = Checkpoint.open(temp.resolve("exact"));
                Checkpoint actual = Checkpoint.open(dense(temp.resolve("packed"), "back"))) {
            List<String> weights = exact.weights().names().stream()
                    .filter(name -> name.contains("_proj"))
                    .toList();
            for (String name : weights) {
                double error = Distance.relativeNorm(floats(actual, name), floats(exact, name));
                max = Math.max(max, error);
                sum += error / weights.size();
            }
        }
        assertThat(written.maxError()).isCloseTo(max, within(1e-9)).isBetween(0.05, 0.15);
        assertThat(written.meanError()).isCloseTo(sum, within(1e-9)).isLessThan(written.maxError());
        assertThat(written.maxErrorWeight()).contains("_proj.weight");
    }

    /** What the adapter doesn't touch stays what it was while training, bit for bit, whichever way the base is stored. */
    @Test
    void aWeightWithoutAnAdapterKeepsItsBits() {
        LoraConfig lora = LoraConfig.builder()
                .r(4)
                .loraAlpha(8)
                .targetModules(TargetModules.names("q_proj"))
                .build();
        for (Path from : List.of(LLAMA, STORED)) {
            Path folder = temp.resolve("merged-" + from.getFileName());
            try (Checkpoint base = Checkpoint.open(from);
                    TrainingSession session = TrainingSession.open(
                            device, base.config(), base.weights(), NF4, lora, TestSessions.ARGUMENTS, 96)) {
                session.step(List.of(List.of(TestRows.packed(1, 200, 20, 30))));
                assertThat(QuantizedCheckpoint.writeMerged(
                                        device, base, NF4, session.adapter(), ComputeType.BF16, folder)
                                .mergedWeights())
                        .isEqualTo(2);
            }
            try (Checkpoint actual = Checkpoint.open(folder);
                    Checkpoint expected = Checkpoint.open(STORED)) {
                assertThat(actual.weights().names())
                        .hasSameElementsAs(expected.weights().names());
                for (String name : actual.weights().names()) {
                    if (!name.contains("q_proj")) {
                        assertSameTensor(name, actual, expected);
                    }
                }
                String q = "model.layers.0.self_attn.q_proj.weight";
                assertThat(Arrays.equals(bytes(actual, q), bytes(expected, q))).isFalse();
            }
        }
    }

    @Test
    void severalFilesStaySeveral() throws IOException {
        Path base = Files.createDirectories(temp.resolve("base"));
        MergedCheckpointTest.shard(LLAMA, base);
        Files.writeString(base.resolve("tokenizer.json"), "{}");
        QuantizedCheckpoint written = write(base, NF4, "out");
        assertThat(written.folder().resolve("tokenizer.json")).exists();
        assertThat(written.folder().resolve("model-00002-of-00002.safetensors")).exists();
        try (Checkpoint actual = Checkpoint.open(written.folder());
                Checkpoint expected = Checkpoint.open(STORED)) {
            assertThat(actual.weights().names())
                    .hasSameElementsAs(expected.weights().names());
            assertThat(actual.weights().names().stream()
                            .mapToLong(name -> actual.weights().info(name).bytes())
                            .sum())
                    .isEqualTo(written.bytes());
        }
        assertThat(StoredWeightsTest.trained(device, written.folder(), NF4, TestSessions.ARGUMENTS))
                .isEqualTo(StoredWeightsTest.trained(device, STORED, NF4, TestSessions.ARGUMENTS));
    }

    @Test
    void whatCannotBeWrittenIsRefused() throws IOException {
        assertThatThrownBy(() -> write(STORED, NF4, "out"))
                .hasMessageContaining("QLORA-T159: " + STORED + " is quantised already");
        assertThatThrownBy(() -> write(LLAMA, NF4, LLAMA.toAbsolutePath().toString()))
                .hasMessageContaining("QLORA-T136: ");
        String config = TinyModels.CONFIG
                .replace("\"hidden_size\": 32", "\"hidden_size\": 30")
                .replace("\"num_attention_heads\": 4", "\"num_attention_heads\": 3")
                .replace("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 1");
        Path odd = TinyModels.write(temp.resolve("odd"), config, TinyModels.tensors(ModelConfig.parse(config, "odd")));
        QuantizationConfig wide = new QuantizationConfig(
                true, QuantFormat.Type.NF4, true, 64, ComputeType.F32, true, QuantStorage.FLOAT64, SkipModules.DEFAULT);
        assertThatThrownBy(() -> write(odd, wide, "out"))
                .hasMessageContaining("has 450 bytes in 4 bits, which is no whole number of float64");
        assertThat(temp.resolve("out")).doesNotExist();
    }
}
