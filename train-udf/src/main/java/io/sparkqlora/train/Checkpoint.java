// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.checkpoint.CheckpointFingerprint;
import io.sparkqlora.train.internal.checkpoint.CheckpointValidator;
import io.sparkqlora.train.internal.checkpoint.ShardedWeights;
import io.sparkqlora.train.internal.config.ConfigParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A Hugging Face checkpoint: a folder with {@code config.json} and {@code model.safetensors}, or shards with
 * {@code model.safetensors.index.json}. Opening checks everything that can be known without reading the weights' bytes.
 */
public final class Checkpoint implements AutoCloseable {

    private static final String CONFIG = "config.json";

    private final Path folder;
    private final ModelConfig config;
    private final ShardedWeights weights;

    private Checkpoint(Path folder, ModelConfig config, ShardedWeights weights) {
        this.folder = folder;
        this.config = config;
        this.weights = weights;
    }

    /**
     * Opens a checkpoint and validates it: files are there and whole, every tensor that the configuration asks for is there, in
     * its shape, as F32, F16 or BF16; or, where {@code quantization_config} says so, in bitsandbytes' 4 bits, each with all that
     * belongs to it.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT with file, problem and fix
     */
    public static Checkpoint open(Path folder) {
        if (!Files.isDirectory(folder)) {
            throw CheckpointErrors.fileMissing(folder, "model_name_or_path must be the folder of a checkpoint");
        }
        ModelConfig config = readConfig(folder);
        ShardedWeights weights = ShardedWeights.open(folder);
        try {
            return new Checkpoint(folder, CheckpointValidator.validate(config, weights, weights::location), weights);
        } catch (RuntimeException e) {
            weights.close();
            throw e;
        }
    }

    private static ModelConfig readConfig(Path folder) {
        ModelConfig config = ModelConfig.parse(folder.resolve(CONFIG));
        List<Integer> eos = ConfigParser.generationEosTokenIds(folder.resolve("generation_config.json"));
        return eos.isEmpty() ? config : config.withEosTokenIds(eos);
    }

    /** The folder. */
    public Path folder() {
        return folder;
    }

    /**
     * The model's shape. Its end tokens are those of {@code generation_config.json} where that names any, as in
     * transformers.
     */
    public ModelConfig config() {
        return config;
    }

    /** The weights; readable until this is closed. */
    public WeightSource weights() {
        return weights;
    }

    /** Names of the weights' files, each with its tensors. */
    Map<String, List<String>> tensorsByFile() {
        return weights.tensorsByFile();
    }

    /**
     * SHA-256, in hexadecimal, of config.json, the weights' headers and their bytes, of which long tensors are sampled
     * (begin, middle and end). The same for every copy of the files; it depends on neither path nor time. It reads at most a
     * few megabytes and is meant to tell checkpoints apart, not to detect tampering.
     */
    public String fingerprint() {
        return CheckpointFingerprint.of(folder.resolve(CONFIG), weights);
    }

    @Override
    public void close() {
        weights.close();
    }
}
