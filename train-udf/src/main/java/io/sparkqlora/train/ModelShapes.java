// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Configurations of well-known public checkpoints, for benchmarks and memory plans that need no checkpoint. */
public final class ModelShapes {

    private static final Map<String, ModelConfig> NAMED = named();

    private ModelShapes() {}

    /** The names, smallest model first. */
    public static Set<String> names() {
        return NAMED.keySet();
    }

    /**
     * A named shape: {@code smollm2-135m}, {@code tinyllama-1.1b}, {@code llama2-7b}, {@code llama3-8b} (Llama 3.1),
     * {@code llama3-70b} (Llama 3.1).
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if the name is not known
     */
    public static ModelConfig named(String name) {
        ModelConfig config = NAMED.get(name);
        if (config == null) {
            throw CheckpointErrors.unknownShape(name, NAMED.keySet());
        }
        return config;
    }

    private static Map<String, ModelConfig> named() {
        RopeParameters plain = RopeParameters.unscaled(10_000);
        RopeParameters llama31 = RopeParameters.llama3(500_000, 8, 1, 4, 8192);
        Map<String, ModelConfig> shapes = new LinkedHashMap<>();
        shapes.put("smollm2-135m", smolLm2());
        shapes.put("tinyllama-1.1b", llama(2048, 5632, 22, 32, 4, 32_000, 2048, plain, 2, 1));
        shapes.put("llama2-7b", llama(4096, 11008, 32, 32, 32, 32_000, 4096, plain, 2, 1));
        shapes.put("llama3-8b", llama(4096, 14336, 32, 32, 8, 128_256, 131_072, llama31, 128_001, 128_000));
        shapes.put("llama3-70b", llama(8192, 28672, 80, 64, 8, 128_256, 131_072, llama31, 128_001, 128_000));
        return shapes;
    }

    private static ModelConfig smolLm2() {
        RopeParameters rope = RopeParameters.unscaled(100_000);
        return new ModelConfig(
                "llama",
                576,
                1536,
                30,
                9,
                3,
                64,
                49_152,
                8192,
                1e-5f,
                rope,
                true,
                "silu",
                false,
                false,
                List.of(0),
                0,
                null);
    }

    private static ModelConfig llama(
            int hidden,
            int inner,
            int layers,
            int heads,
            int kv,
            int vocab,
            int max,
            RopeParameters rope,
            int eos,
            int bos) {
        return new ModelConfig(
                "llama",
                hidden,
                inner,
                layers,
                heads,
                kv,
                hidden / heads,
                vocab,
                max,
                1e-5f,
                rope,
                false,
                "silu",
                false,
                false,
                List.of(eos),
                bos,
                null);
    }
}
