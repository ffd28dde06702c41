// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A checkpoint with one thing changed.
 *
 * @param from the checkpoint, of one file
 * @param temp where changed ones are written
 */
record ChangedCheckpoint(Path from, Path temp) {

    static final UnaryOperator<NamedTensor> SAME = UnaryOperator.identity();

    /** Takes a tensor away. */
    static final UnaryOperator<NamedTensor> GONE = tensor -> new NamedTensor("", DType.U8, new long[] {0}, new byte[0]);

    /** Gives a tensor another type and shape, with as many of its bytes as that takes. */
    static UnaryOperator<NamedTensor> shaped(DType dtype, long... shape) {
        return tensor -> {
            long bytes = dtype.bytes();
            for (long size : shape) {
                bytes *= size;
            }
            return new NamedTensor(tensor.name(), dtype, shape, Arrays.copyOf(tensor.data(), (int) bytes));
        };
    }

    private List<NamedTensor> tensors() {
        List<NamedTensor> tensors = new ArrayList<>();
        try (Checkpoint checkpoint = Checkpoint.open(from)) {
            WeightSource weights = checkpoint.weights();
            for (String name : weights.names()) {
                byte[] data = new byte[(int) weights.info(name).bytes()];
                weights.read(name).get(data);
                long[] shape = weights.info(name).shape().stream()
                        .mapToLong(Long::longValue)
                        .toArray();
                tensors.add(new NamedTensor(name, weights.info(name).dtype(), shape, data));
            }
        }
        return tensors;
    }

    Path changed(UnaryOperator<String> config, String name, UnaryOperator<NamedTensor> change) throws IOException {
        List<NamedTensor> tensors = tensors();
        tensors.replaceAll(tensor -> tensor.name().equals(name) ? change.apply(tensor) : tensor);
        tensors.removeIf(tensor -> tensor.name().isEmpty());
        Path folder = Files.createTempDirectory(temp, "changed");
        Files.writeString(folder.resolve("config.json"), config.apply(Files.readString(from.resolve("config.json"))));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of());
        return folder;
    }

    /** Opening it is refused with these parts in the message. */
    void refused(UnaryOperator<String> config, String name, UnaryOperator<NamedTensor> change, String... parts)
            throws IOException {
        Path folder = changed(config, name, change);
        assertThatThrownBy(() -> Checkpoint.open(folder))
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(QLoraException.Kind.INPUT))
                .message()
                .contains(parts)
                .hasLineCount(1);
    }
}
