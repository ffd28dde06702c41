// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.RandomWeights;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Jobs over the tiny checkpoint in the test resources: the fixture {@code models/llama} of 2 layers, random weights. */
public final class TestJobs {

    private TestJobs() {}

    /** Writes a file of conversations. */
    public static Path conversations(Path file, int rows) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < rows; i++) {
            text.append("{\"messages\":[{\"role\":\"user\",\"content\":\"say ")
                    .append(i)
                    .append("\"},{\"role\":\"assistant\",\"content\":\"")
                    .append("abc".repeat(1 + i % 3))
                    .append(i)
                    .append("\"}]}\n");
        }
        return write(file, text.toString());
    }

    /** Writes a text. */
    public static Path write(Path file, String text) {
        try {
            return Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The tiny checkpoint. */
    public static Path base() {
        return Path.of("src/test/resources/models/llama").toAbsolutePath();
    }

    /** A copy of the tiny checkpoint, to be damaged. */
    public static Path copyOfBase(Path copy) throws IOException {
        Files.createDirectory(copy);
        try (var files = Files.list(base())) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    /** A checkpoint of random weights with biases on q, k and v, and the tiny checkpoint's tokenizer. */
    public static Path biasedBase(Path folder) throws IOException {
        copyOfBase(folder);
        Path file = folder.resolve("config.json");
        write(file, Files.readString(file).replace("\"llama\"", "\"qwen2\""));
        WeightSource weights = new RandomWeights(ModelConfig.parse(file), 3);
        List<NamedTensor> tensors = new ArrayList<>();
        for (String name : weights.names()) {
            TensorInfo info = weights.info(name);
            byte[] data = new byte[Math.toIntExact(info.bytes())];
            weights.read(name).get(data);
            long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
            tensors.add(new NamedTensor(name, info.dtype(), shape, data));
        }
        Files.delete(folder.resolve("model.safetensors"));
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        return folder;
    }

    /** A small job: 5 steps in chunks of 3, on the backend of the property {@code qlora.test.backend} (cpu). */
    public static JobConfigBuilder small(Path output) {
        return JobConfig.builder()
                .set("model_name_or_path", base().toString())
                .set("dataset", "data.jsonl")
                .set("output_dir", output.toString())
                .set("backend", System.getProperty("qlora.test.backend", "cpu"))
                .set("bnb_4bit_compute_dtype", "float32")
                .set("r", 4)
                .set("lora_dropout", 0.1)
                .set("learning_rate", 5e-3)
                .set("max_seq_length", 32)
                .set("per_device_train_batch_size", 2)
                .set("gradient_accumulation_steps", 2)
                .set("max_steps", 5)
                .set("save_steps", 3);
    }
}
