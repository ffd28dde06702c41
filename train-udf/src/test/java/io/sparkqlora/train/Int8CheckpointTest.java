// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Checkpoints written in 8 bits; {@link StoredInt8Test} reads those of bitsandbytes. */
class Int8CheckpointTest {

    private static final Path STORED = Path.of("src/test/resources/parity/llama-bnb-int8");
    private static final Path LLAMA = Path.of("src/test/resources/parity/llama");
    private static final QuantizationConfig INT8 = QuantizationConfig.int8(ComputeType.F32);
    private static final SkipModules SOME = new SkipModules(List.of("lm_head", "o_proj", "model.layers.1.mlp"));

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

    private static void assertSame(Checkpoint actual, Checkpoint expected, String but) {
        assertThat(actual.weights().names())
                .hasSameElementsAs(expected.weights().names());
        for (String name : actual.weights().names()) {
            if (!name.contains(but)) {
                assertThat(actual.weights().info(name))
                        .as(name)
                        .isEqualTo(expected.weights().info(name));
                assertThat(actual.weights().read(name))
                        .as(name)
                        .isEqualTo(expected.weights().read(name));
            }
        }
    }

    @Test
    void writesWhatBitsandbytesWrites() throws IOException {
        QuantizedCheckpoint written = write(LLAMA, INT8, "out");
        assertThat(written.quantizedWeights()).isEqualTo(14);
        assertThat(written.mergedWeights()).isZero();
        try (Checkpoint actual = Checkpoint.open(written.folder());
                Checkpoint expected = Checkpoint.open(STORED)) {
            assertThat(actual.config()).isEqualTo(expected.config());
            assertSame(actual, expected, "nothing");
            assertThat(actual.weights().names().stream()
                            .mapToLong(name -> actual.weights().info(name).bytes())
                            .sum())
                    .isEqualTo(written.bytes());
        }
        // transformers' BitsAndBytesConfig(load_in_8bit=True).to_dict()
        assertThat(Files.readString(written.folder().resolve("config.json")).replaceAll("\\s", ""))
                .contains("\"quantization_config\":{\"_load_in_4bit\":false,\"_load_in_8bit\":true,"
                        + "\"bnb_4bit_compute_dtype\":\"float32\",\"bnb_4bit_quant_storage\":\"uint8\","
                        + "\"bnb_4bit_quant_type\":\"fp4\",\"bnb_4bit_use_double_quant\":false,"
                        + "\"llm_int8_enable_fp32_cpu_offload\":false,\"llm_int8_has_fp16_weight\":false,"
                        + "\"llm_int8_skip_modules\":null,\"llm_int8_threshold\":6.0,\"load_in_4bit\":false,"
                        + "\"load_in_8bit\":true,\"quant_method\":\"bitsandbytes\"}");
    }

    /** With outliers, and layers that are left out. */
    @Test
    void whatIsWrittenTrainsAsWhatIsQuantisedWhileLoading() {
        QuantizationConfig format = INT8.withInt8(2.5).withSkipModules(SOME);
        QuantizedCheckpoint written = write(LLAMA, format, "out");
        assertThat(written.quantizedWeights()).isEqualTo(9);
        StoredQuantization stored;
        try (Checkpoint checkpoint = Checkpoint.open(written.folder())) {
            stored = checkpoint.config().quantization();
        }
        assertThat(stored).isEqualTo(StoredQuantization.int8(2.5, SOME));
        TrainingArguments full =
                TestSessions.ARGUMENTS.toBuilder().recompute(Recompute.FULL).build();
        assertThat(StoredWeightsTest.trained(device, written.folder(), INT8.as(stored), TestSessions.ARGUMENTS))
                .isEqualTo(StoredWeightsTest.trained(device, LLAMA, format, full));
    }

    @Test
    void severalFilesStaySeveral() throws IOException {
        Path base = Files.createDirectories(temp.resolve("base"));
        MergedCheckpointTest.shard(LLAMA, base);
        QuantizedCheckpoint written = write(base, INT8, "out");
        assertThat(written.folder().resolve("model-00002-of-00002.safetensors")).exists();
        try (Checkpoint actual = Checkpoint.open(written.folder());
                Checkpoint expected = Checkpoint.open(STORED)) {
            assertSame(actual, expected, "nothing");
        }
    }

    private static float[] floats(Checkpoint checkpoint, String name) {
        float[] values = new float[(int) checkpoint.weights().info(name).size()];
        checkpoint
                .weights()
                .read(name)
                .duplicate()
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(values);
        return values;
    }

    /** A checkpoint in 8 bits, dequantised: merged with an adapter that adds nothing. */
    private void dense(Path folder, Path to) {
        try (Checkpoint checkpoint = Checkpoint.open(folder)) {
            Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
            List<NamedTensor> none = adapter.tensors().stream()
                    .map(tensor -> new NamedTensor(
                            tensor.name(), tensor.dtype(), tensor.shape(), new byte[tensor.data().length]))
                    .toList();
            Adapter nothing = new Adapter(adapter.config(), adapter.baseModelNameOrPath(), none);
            MergedCheckpoint.write(device, checkpoint, INT8, nothing, ComputeType.F32, to);
        }
    }

    @Test
    void aMergeSaysHowMuchQuantisingChangesIt() {
        Adapter adapter = AdapterFiles.read(LLAMA.resolve("adapter_final"));
        QuantizedCheckpoint written;
        try (Checkpoint base = Checkpoint.open(LLAMA)) {
            written = QuantizedCheckpoint.writeMerged(
                    device, base, INT8, adapter, ComputeType.BF16, temp.resolve("packed"));
            MergedCheckpoint.write(device, base, INT8, adapter, ComputeType.F32, temp.resolve("exact"));
        }
        assertThat(written.mergedWeights()).isEqualTo(14);
        dense(temp.resolve("packed"), temp.resolve("back"));
        double max = 0;
        double sum = 0;
        try (Checkpoint exact = Checkpoint.open(temp.resolve("exact"));
                Checkpoint actual = Checkpoint.open(temp.resolve("back"))) {
            List<String> weights = exact.weights().names().stream()
                    .filter(name -> name.contains("_proj"))
                    .toList();
            for (String name : weights) {
                double error = Distance.relativeNorm(floats(actual, name), floats(exact, name));
                max = Math.max(max, error);
                sum += error / weights.size();
            }
        }
        assertThat(written.maxError()).isCloseTo(max, within(1e-9)).isBetween(1e-3, 1e-2);
        assertThat(written.meanError()).isCloseTo(sum, within(1e-9)).isLessThan(written.maxError());
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
                            device, base.config(), base.weights(), INT8, lora, TestSessions.ARGUMENTS, 96)) {
                session.step(List.of(List.of(TestRows.packed(1, 200, 20, 30))));
                assertThat(QuantizedCheckpoint.writeMerged(
                                        device, base, INT8, session.adapter(), ComputeType.BF16, folder)
                                .mergedWeights())
                        .isEqualTo(2);
            }
            try (Checkpoint actual = Checkpoint.open(folder);
                    Checkpoint expected = Checkpoint.open(STORED)) {
                assertSame(actual, expected, "q_proj");
                String q = "model.layers.0.self_attn.q_proj.weight";
                assertThat(actual.weights().read(q))
                        .isNotEqualTo(expected.weights().read(q));
            }
        }
    }

    @Test
    void whatCannotBeWrittenIsRefused() {
        assertThatThrownBy(() -> write(STORED, INT8, "out"))
                .hasMessageContaining("QLORA-T159: " + STORED + " is quantised already");
        assertThatThrownBy(() -> write(LLAMA, QuantizationConfig.dense(ComputeType.F32), "out"))
                .hasMessageContaining(
                        "QLORA-T162: a quantised checkpoint is to be written, and load_in_4bit and load_in_8bit");
        assertThat(temp.resolve("out")).doesNotExist();
    }
}
