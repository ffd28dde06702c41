// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A model of a few thousand parameters, and folders with it. */
public final class TinyModels {

    /** Its config.json, in the spelling of transformers 4. */
    public static final String CONFIG =
            """
            {"model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 51, "max_position_embeddings": 64,
             "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "rope_scaling": null, "tie_word_embeddings": false,
             "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "pretraining_tp": 1}
            """;

    private TinyModels() {}

    /** The model. */
    public static ModelConfig config() {
        return ModelConfig.parse(CONFIG, "tiny");
    }

    /** Its random weights. */
    public static List<NamedTensor> tensors() {
        return tensors(config());
    }

    /** Random weights of a model. */
    public static List<NamedTensor> tensors(ModelConfig config) {
        WeightSource weights = new RandomWeights(config, 7);
        List<NamedTensor> tensors = new ArrayList<>();
        for (String name : weights.names()) {
            TensorInfo info = weights.info(name);
            ByteBuffer buffer = weights.read(name);
            byte[] data = new byte[buffer.remaining()];
            buffer.get(data);
            long[] shape = info.shape().stream().mapToLong(Long::longValue).toArray();
            tensors.add(new NamedTensor(name, info.dtype(), shape, data));
        }
        return tensors;
    }

    /** Writes config.json and model.safetensors. */
    public static Path write(Path folder) throws IOException {
        return write(folder, CONFIG, tensors());
    }

    /** Writes config.json and model.safetensors. */
    public static Path write(Path folder, String config, List<NamedTensor> tensors) throws IOException {
        Files.createDirectories(folder);
        Files.writeString(folder.resolve("config.json"), config);
        SafetensorsWriter.write(folder.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
        return folder;
    }
}
