// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QuantFormat;

/**
 * How the weights of a checkpoint that is quantised already are stored: {@code quantization_config} of its {@code config.json},
 * as transformers writes it for bitsandbytes' 4-bit layers.
 *
 * @param quantType {@code bnb_4bit_quant_type}
 * @param doubleQuant {@code bnb_4bit_use_double_quant}
 * @param blockSize elements that share a scale; 0 where the configuration alone is known, as transformers writes it beside each
 *     weight and not there
 * @param storage {@code bnb_4bit_quant_storage}
 * @param skipModules {@code llm_int8_skip_modules}
 */
public record StoredQuantization(
        QuantFormat.Type quantType, boolean doubleQuant, int blockSize, QuantStorage storage, SkipModules skipModules) {

    /** The same with the block size that the weights were found to have. */
    public StoredQuantization withBlockSize(int size) {
        return new StoredQuantization(quantType, doubleQuant, size, storage, skipModules);
    }
}
