// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QuantFormat;

/**
 * How the weights of a checkpoint that is quantised already are stored: {@code quantization_config} of its {@code config.json},
 * as transformers writes it for bitsandbytes' layers. In 8 bits what is said of 4 is null, false or 0.
 *
 * @param quantType {@code bnb_4bit_quant_type}
 * @param doubleQuant {@code bnb_4bit_use_double_quant}
 * @param blockSize elements that share a scale; 0 where the configuration alone is known, as transformers writes it beside each
 *     weight and not there
 * @param storage {@code bnb_4bit_quant_storage}
 * @param skipModules {@code llm_int8_skip_modules}
 * @param loadIn8bit whether it is 8 bits (LLM.int8), and not 4
 * @param llmInt8Threshold {@code llm_int8_threshold}; 0 in 4 bits
 */
public record StoredQuantization(
        QuantFormat.Type quantType,
        boolean doubleQuant,
        int blockSize,
        QuantStorage storage,
        SkipModules skipModules,
        boolean loadIn8bit,
        double llmInt8Threshold) {

    /** In 4 bits. */
    public StoredQuantization(
            QuantFormat.Type quantType,
            boolean doubleQuant,
            int blockSize,
            QuantStorage storage,
            SkipModules skipModules) {
        this(quantType, doubleQuant, blockSize, storage, skipModules, false, 0);
    }

    /** In 8 bits. */
    public static StoredQuantization int8(double threshold, SkipModules skipModules) {
        return new StoredQuantization(null, false, 0, null, skipModules, true, threshold);
    }

    /** The same with the block size that the weights were found to have; in 8 bits there are no blocks, and it is the same. */
    public StoredQuantization withBlockSize(int size) {
        return loadIn8bit ? this : new StoredQuantization(quantType, doubleQuant, size, storage, skipModules);
    }
}
