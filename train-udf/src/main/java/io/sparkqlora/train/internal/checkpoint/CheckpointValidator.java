// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.checkpoint;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.CheckpointErrors;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.TensorInfo;
import io.sparkqlora.train.WeightSource;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;

/** Compares what a checkpoint holds with what its configuration asks for. Tensors that no one asks for are left alone. */
public final class CheckpointValidator {

    private static final Set<DType> DTYPES = EnumSet.of(DType.F32, DType.F16, DType.BF16);

    private CheckpointValidator() {}

    /**
     * @param location file of a tensor (of the checkpoint where it is in none), for errors
     * @return the configuration, with the size of the blocks where weights are stored in them
     */
    public static ModelConfig validate(ModelConfig config, WeightSource weights, UnaryOperator<String> location) {
        StoredWeights.Found stored =
                config.quantization() == null ? null : StoredWeights.check(config, weights, location);
        ModelTensors.of(config).forEach((name, shape) -> {
            if (stored == null || !stored.names().contains(name)) {
                validate(name, shape, weights, location.apply(name));
            }
        });
        return stored == null
                ? config
                : config.withQuantization(config.quantization().withBlockSize(stored.blockSize()));
    }

    private static void validate(String name, List<Long> shape, WeightSource weights, String where) {
        if (!weights.contains(name)) {
            throw CheckpointErrors.tensorMissing(where, name, missingFix(name));
        }
        TensorInfo actual = weights.info(name);
        if (!actual.shape().equals(shape)) {
            String expected = new TensorInfo(actual.dtype(), shape).shapeText() + " by config.json";
            throw CheckpointErrors.wrongShape(
                    where, name, actual.shapeText(), expected, "use the config.json that belongs to these weights");
        }
        if (!DTYPES.contains(actual.dtype())) {
            throw CheckpointErrors.wrongDtype(where, name, actual.dtype().name(), "F32, F16, BF16");
        }
    }

    private static String missingFix(String name) {
        return name.equals(ModelTensors.OUTPUT)
                ? "if the output projection is the embedding, config.json must say \"tie_word_embeddings\": true"
                : "use the weights that belong to this config.json";
    }
}
