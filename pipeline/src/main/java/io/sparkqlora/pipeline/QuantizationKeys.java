// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import java.util.List;

/** The keys of a job file that say how the base is held. */
public final class QuantizationKeys {

    private static final String QUANTIZATION = "Quantisation";

    public static final ConfigKey<Boolean> LOAD_IN_4BIT = of(
            QUANTIZATION,
            "load_in_4bit",
            ConfigTypes.bool(),
            true,
            "Whether the base's linear layers are quantised (bitsandbytes' default is false).");

    public static final ConfigKey<String> BNB_4BIT_QUANT_TYPE = of(
            QUANTIZATION,
            "bnb_4bit_quant_type",
            ConfigTypes.oneOf("nf4", "fp4"),
            "nf4",
            "The 4-bit data type. bitsandbytes' default is fp4.");

    public static final ConfigKey<Boolean> BNB_4BIT_USE_DOUBLE_QUANT = of(
            QUANTIZATION,
            "bnb_4bit_use_double_quant",
            ConfigTypes.bool(),
            true,
            "Whether the blocks' scales are quantised too. bitsandbytes' default is false.");

    public static final ConfigKey<String> BNB_4BIT_COMPUTE_DTYPE = of(
            QUANTIZATION,
            "bnb_4bit_compute_dtype",
            ConfigTypes.oneOf("bfloat16", "float32"),
            "bfloat16",
            "Type of products and activations. The adapter itself is held in float32. bitsandbytes' default is float32.");

    public static final ConfigKey<Boolean> OFFLOAD_EMBEDDING = of(
            QUANTIZATION,
            "offload_embedding",
            ConfigTypes.bool(),
            true,
            "On GPUs, an embedding that isn't tied stays in the host's memory.");

    static final List<ConfigKey<?>> ALL = List.of(
            LOAD_IN_4BIT, BNB_4BIT_QUANT_TYPE, BNB_4BIT_USE_DOUBLE_QUANT, BNB_4BIT_COMPUTE_DTYPE, OFFLOAD_EMBEDDING);

    private QuantizationKeys() {}
}
