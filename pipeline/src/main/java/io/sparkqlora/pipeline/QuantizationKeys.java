// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static io.sparkqlora.pipeline.ConfigKey.of;

import io.sparkqlora.pipeline.internal.config.ConfigTypes;
import io.sparkqlora.pipeline.internal.config.Range;
import io.sparkqlora.train.QuantStorage;
import io.sparkqlora.train.QuantizationConfig;
import java.util.List;

/** The keys of a job file that say how the base is held. */
public final class QuantizationKeys {

    private static final String QUANTIZATION = "Quantisation";

    public static final ConfigKey<Boolean> LOAD_IN_4BIT = of(
            QUANTIZATION,
            "load_in_4bit",
            ConfigTypes.bool(),
            true,
            "Whether the base's linear layers are quantised to 4 bits (bitsandbytes' default is false; so it is here where"
                    + " load_in_8bit is true). Of a checkpoint that is quantised already, what is stored counts; a key of this"
                    + " section that is set and says otherwise is refused, but for bnb_4bit_compute_dtype and offload_embedding.");

    public static final ConfigKey<Boolean> LOAD_IN_8BIT = of(
            QUANTIZATION,
            "load_in_8bit",
            ConfigTypes.bool(),
            false,
            "Whether they are quantised to 8 bits instead (LLM.int8): forward multiplies 8-bit integers, backward goes through"
                    + " the dequantised weights.");

    public static final ConfigKey<Double> LLM_INT8_THRESHOLD = of(
            QUANTIZATION,
            "llm_int8_threshold",
            ConfigTypes.number(Range.closed(0, 65504)),
            6.0,
            "With load_in_8bit: where an element of a layer's input has this magnitude or more, its column is multiplied in"
                    + " bnb_4bit_compute_dtype, for all rows of the micro-batch. 0: no column is.");

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

    public static final ConfigKey<Integer> BNB_4BIT_BLOCKSIZE = of(
            QUANTIZATION,
            "bnb_4bit_blocksize",
            ConfigTypes.atLeast(QuantizationConfig.MIN_BLOCK_SIZE)
                    .where("a power of two from 32 to 4096", QuantizationKeys::isBlockSize),
            QuantizationConfig.DEFAULT_BLOCK_SIZE,
            "Elements of a weight that share a scale: blocksize of bitsandbytes' quantize_4bit, for which transformers has no"
                    + " key (its layers take 64).");

    public static final ConfigKey<String> BNB_4BIT_QUANT_STORAGE = of(
                    QUANTIZATION,
                    "bnb_4bit_quant_storage",
                    ConfigTypes.oneOf(QuantStorage.torchNames().toArray(String[]::new)),
                    QuantStorage.UINT8.torchName(),
                    "What a checkpoint in 4 bits that is written calls the packed bytes; they are the same under each name, and"
                            + " on a device it makes no difference. FSDP in PyTorch wants the type of the other weights.")
            .operational();

    public static final ConfigKey<List<String>> LLM_INT8_SKIP_MODULES = of(
            QUANTIZATION,
            "llm_int8_skip_modules",
            ConfigTypes.texts("a list of module names, ends of names, or regular expressions for their beginnings"),
            null,
            "Linear layers that are not quantised and stay in the compute type, for 4 bits too, as transformers matches them."
                    + " Without it, lm_head; with it, lm_head must be among them.");

    public static final ConfigKey<String> BNB_4BIT_COMPUTE_DTYPE = of(
            QUANTIZATION,
            "bnb_4bit_compute_dtype",
            ConfigTypes.oneOf("bfloat16", "float16", "float32"),
            "bfloat16",
            "Type of products and activations, of a base in 8 bits or a dense one too; with float16 the loss is scaled dynamically."
                    + " The adapter itself is held in float32. bitsandbytes' default is float32.");

    public static final ConfigKey<Boolean> OFFLOAD_EMBEDDING = of(
            QUANTIZATION,
            "offload_embedding",
            ConfigTypes.bool(),
            true,
            "On GPUs, an embedding that isn't tied stays in the host's memory.");

    static final List<ConfigKey<?>> ALL = List.of(
            LOAD_IN_4BIT,
            LOAD_IN_8BIT,
            LLM_INT8_THRESHOLD,
            BNB_4BIT_QUANT_TYPE,
            BNB_4BIT_USE_DOUBLE_QUANT,
            BNB_4BIT_BLOCKSIZE,
            BNB_4BIT_QUANT_STORAGE,
            LLM_INT8_SKIP_MODULES,
            BNB_4BIT_COMPUTE_DTYPE,
            OFFLOAD_EMBEDDING);

    private QuantizationKeys() {}

    private static boolean isBlockSize(int size) {
        return size <= QuantizationConfig.MAX_BLOCK_SIZE && Integer.bitCount(size) == 1;
    }
}
