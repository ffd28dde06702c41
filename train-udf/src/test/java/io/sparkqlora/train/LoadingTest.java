// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.internal.safetensors.FloatBytes;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LoadingTest {

    private static final String BACKEND = System.getProperty("qlora.test.backend", "cpu");

    /** Weights of 6 and 12 MiB in BF16, which are read in several pieces. */
    private static final String LARGE =
            """
            {"model_type": "llama", "hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 1,
             "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": 3001, "max_position_embeddings": 64,
             "tie_word_embeddings": false}
            """;

    @TempDir
    Path temp;

    private static double loss(Device device, WeightSource weights, ModelConfig config, long bytes) {
        try (TrainingSession session = open(device, weights, config)) {
            assertThat(session.loading().bytes()).isEqualTo(bytes);
            assertThat(session.loading().seconds()).isPositive();
            int[] tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 50, 49};
            StepMetrics metrics = session.step(List.of(List.of(PackedRow.single(0, tokens, tokens))));
            return metrics.loss() + metrics.gradNorm();
        }
    }

    private static TrainingSession open(Device device, WeightSource weights, ModelConfig config) {
        return TrainingSession.open(
                device,
                config,
                weights,
                QuantizationConfig.nf4(ComputeType.F32),
                TestSessions.LORA,
                TestSessions.ARGUMENTS,
                TestSessions.MAX_TOKENS);
    }

    private static NamedTensor cast(NamedTensor tensor, DType dtype) {
        ByteBuffer in = ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN);
        int count = tensor.data().length / 2;
        ByteBuffer out = ByteBuffer.allocate(count * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        while (in.hasRemaining()) {
            int bits = in.getShort() << 16;
            if (dtype == DType.F32) {
                out.putInt(bits);
            } else {
                // normal numbers of F16 alone: BF16's 7 bits of mantissa fit, its exponent is rebiased
                int exponent = (bits >> 23 & 0xff) - 127 + 15;
                out.putShort(
                        (short) (exponent <= 0 ? 0 : (bits >>> 16 & 0x8000) | exponent << 10 | (bits >> 13 & 0x3ff)));
            }
        }
        return new NamedTensor(tensor.name(), dtype, tensor.shape(), out.array());
    }

    @Test
    void aFileGivesTheBitsThatItsNumbersGive() throws IOException {
        ModelConfig config = ModelConfig.parse(LARGE, "large");
        WeightSource weights = new RandomWeights(config, 7);
        long bytes = weights.names().stream()
                .mapToLong(name -> weights.info(name).bytes())
                .sum();
        Path folder = TinyModels.write(temp.resolve("large"), LARGE, TinyModels.tensors(config));
        try (Device device = Devices.open(BACKEND);
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            double fromNumbers = loss(device, weights, config, bytes);
            assertThat(loss(device, checkpoint.weights(), config, bytes)).isEqualTo(fromNumbers);
            assertThat(loss(device, new RowsOnly(checkpoint.weights()), config, bytes))
                    .isEqualTo(fromNumbers);
        }
    }

    /** A source that knows whole rows alone, as one outside this project may. */
    private record RowsOnly(WeightSource weights) implements WeightSource {

        @Override
        public Set<String> names() {
            return weights.names();
        }

        @Override
        public TensorInfo info(String name) {
            return weights.info(name);
        }

        @Override
        public ByteBuffer readRows(String name, long from, long to) {
            return weights.readRows(name, from, to);
        }
    }

    @Test
    void sixteenAndThirtyTwoBitsOfTheSameNumbersGiveTheSameBits() throws IOException {
        List<NamedTensor> half = TinyModels.tensors().stream()
                .map(tensor -> cast(tensor, DType.F16))
                .toList();
        List<NamedTensor> wide = half.stream()
                .map(tensor -> new NamedTensor(
                        tensor.name(),
                        DType.F32,
                        tensor.shape(),
                        FloatBytes.toF32(DType.F16, ByteBuffer.wrap(tensor.data()))))
                .toList();
        long bytes = half.stream().mapToLong(tensor -> tensor.data().length).sum();
        try (Device device = Devices.open(BACKEND);
                Checkpoint first = Checkpoint.open(TinyModels.write(temp.resolve("f16"), TinyModels.CONFIG, half));
                Checkpoint second = Checkpoint.open(TinyModels.write(temp.resolve("f32"), TinyModels.CONFIG, wide))) {
            assertThat(loss(device, first.weights(), first.config(), bytes))
                    .isEqualTo(loss(device, second.weights(), second.config(), 2 * bytes));
        }
    }

    @Test
    void aFileThatIsCutWhileItIsReadIsAnErrorThatLeavesNothingBehind() throws IOException {
        Path folder = TinyModels.write(temp.resolve("cut"));
        Path file = folder.resolve("model.safetensors");
        try (Device device = Devices.open(BACKEND);
                Checkpoint checkpoint = Checkpoint.open(folder)) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                channel.truncate(20_000);
            }
            long before = device.availableBytes();
            assertThatThrownBy(() -> open(device, checkpoint.weights(), checkpoint.config()))
                    .isInstanceOfSatisfying(
                            QLoraException.class, e -> assertThat(e.kind()).isEqualTo(Kind.INPUT))
                    .hasMessageMatching(
                            "QLORA-T040: .*model.safetensors ends at byte 20000, weights reach to byte \\d+: .*");
            assertThat(device.availableBytes()).isGreaterThanOrEqualTo(before - (64 << 20));
        }
    }

    @Test
    void aTensorThatIsDamagedInTheMiddleIsNamedByPlace() throws IOException {
        List<NamedTensor> tensors = TinyModels.tensors();
        String name = "model.layers.1.mlp.down_proj.weight";
        NamedTensor damaged = tensors.stream()
                .filter(tensor -> tensor.name().equals(name))
                .findFirst()
                .orElseThrow();
        ByteBuffer.wrap(damaged.data()).order(ByteOrder.LITTLE_ENDIAN).putShort(2 * (5 * 48 + 7), (short) 0x7f80);
        try (Device device = Devices.open(BACKEND);
                Checkpoint checkpoint =
                        Checkpoint.open(TinyModels.write(temp.resolve("inf"), TinyModels.CONFIG, tensors))) {
            assertThatThrownBy(() -> open(device, checkpoint.weights(), checkpoint.config()))
                    .hasMessageStartingWith(
                            "QLORA-K011: a weight can't be quantised: its element at row 5, column 7 is Infinity;");
        }
    }
}
