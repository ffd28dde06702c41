// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.QuantFormat;

/**
 * How the frozen base is held, with the names of transformers' {@code BitsAndBytesConfig}. Every linear layer is quantised
 * but those that {@code llmInt8SkipModules} names, the output projection being one of them; embeddings and norms stay dense, in
 * the compute type.
 *
 * @param loadIn4bit whether linear layers are quantised to 4 bits
 * @param bnb4bitQuantType {@code nf4} or {@code fp4}
 * @param bnb4bitUseDoubleQuant whether the blocks' scales are quantised too
 * @param blockSize elements that share a scale; 64 in bitsandbytes' layers
 * @param bnb4bitComputeDtype type of products and activations, also of a base that is not quantised
 * @param offloadEmbedding whether a token embedding that is not the output projection too is kept in the host's memory, where the
 *     device has its own: of a step it is read one row a token
 * @param bnb4bitQuantStorage what a checkpoint that is written calls the packed bytes; on a device it makes no difference
 * @param llmInt8SkipModules linear layers that stay dense
 * @param loadIn8bit whether linear layers are quantised to 8 bits, and their inputs for the forward product (LLM.int8)
 * @param llmInt8Threshold magnitude from which on an input's columns are multiplied in the compute type then; 0 for none
 */
public record QuantizationConfig(
        boolean loadIn4bit,
        QuantFormat.Type bnb4bitQuantType,
        boolean bnb4bitUseDoubleQuant,
        int blockSize,
        ComputeType bnb4bitComputeDtype,
        boolean offloadEmbedding,
        QuantStorage bnb4bitQuantStorage,
        SkipModules llmInt8SkipModules,
        boolean loadIn8bit,
        double llmInt8Threshold) {

    /** What bitsandbytes and transformers take where nothing is said. */
    public static final double DEFAULT_INT8_THRESHOLD = 6.0;

    /** Block size of bitsandbytes' 4-bit layers. */
    public static final int DEFAULT_BLOCK_SIZE = 64;

    /** The smallest blocks. */
    public static final int MIN_BLOCK_SIZE = 32;

    /** The largest. */
    public static final int MAX_BLOCK_SIZE = 4096;

    /** The largest threshold: inputs are halves. */
    public static final double MAX_INT8_THRESHOLD = 65504;

    public QuantizationConfig {
        if (blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE || Integer.bitCount(blockSize) != 1) {
            throw TrainErrors.badArgument("block size", blockSize, "a power of two from 32 to 4096");
        }
        if (!(llmInt8Threshold >= 0 && llmInt8Threshold <= MAX_INT8_THRESHOLD)) {
            throw TrainErrors.badArgument("llm_int8_threshold", llmInt8Threshold, "a number from 0 to 65504");
        }
        if (loadIn4bit && loadIn8bit) {
            throw OptionErrors.fourAndEightBits();
        }
    }

    /** In 4 bits or dense. */
    public QuantizationConfig(
            boolean loadIn4bit,
            QuantFormat.Type bnb4bitQuantType,
            boolean bnb4bitUseDoubleQuant,
            int blockSize,
            ComputeType bnb4bitComputeDtype,
            boolean offloadEmbedding,
            QuantStorage bnb4bitQuantStorage,
            SkipModules llmInt8SkipModules) {
        this(
                loadIn4bit,
                bnb4bitQuantType,
                bnb4bitUseDoubleQuant,
                blockSize,
                bnb4bitComputeDtype,
                offloadEmbedding,
                bnb4bitQuantStorage,
                llmInt8SkipModules,
                false,
                DEFAULT_INT8_THRESHOLD);
    }

    /** With every linear layer quantised but the output projection. */
    public QuantizationConfig(
            boolean loadIn4bit,
            QuantFormat.Type bnb4bitQuantType,
            boolean bnb4bitUseDoubleQuant,
            int blockSize,
            ComputeType bnb4bitComputeDtype,
            boolean offloadEmbedding) {
        this(
                loadIn4bit,
                bnb4bitQuantType,
                bnb4bitUseDoubleQuant,
                blockSize,
                bnb4bitComputeDtype,
                offloadEmbedding,
                QuantStorage.UINT8,
                SkipModules.DEFAULT);
    }

    /** With the embedding in the host's memory where that is apart. */
    public QuantizationConfig(
            boolean loadIn4bit,
            QuantFormat.Type bnb4bitQuantType,
            boolean bnb4bitUseDoubleQuant,
            int blockSize,
            ComputeType bnb4bitComputeDtype) {
        this(loadIn4bit, bnb4bitQuantType, bnb4bitUseDoubleQuant, blockSize, bnb4bitComputeDtype, true);
    }

    /** What the QLoRA paper uses: NF4 with double quantisation, blocks of 64. */
    public static QuantizationConfig nf4(ComputeType computeDtype) {
        return new QuantizationConfig(true, QuantFormat.Type.NF4, true, DEFAULT_BLOCK_SIZE, computeDtype);
    }

    /** LLM.int8, with bitsandbytes' threshold. */
    public static QuantizationConfig int8(ComputeType computeDtype) {
        return dense(computeDtype).withInt8(DEFAULT_INT8_THRESHOLD);
    }

    /** A dense base. */
    public static QuantizationConfig dense(ComputeType computeDtype) {
        return new QuantizationConfig(false, QuantFormat.Type.NF4, false, DEFAULT_BLOCK_SIZE, computeDtype);
    }

    /** Whether linear layers are quantised at all. */
    public boolean quantized() {
        return loadIn4bit || loadIn8bit;
    }

    /** The same, not quantised. */
    public QuantizationConfig unquantized() {
        return with(false, false, llmInt8Threshold, offloadEmbedding, llmInt8SkipModules);
    }

    /** The same in 8 bits, and not in 4. */
    public QuantizationConfig withInt8(double threshold) {
        return with(false, true, threshold, offloadEmbedding, llmInt8SkipModules);
    }

    /** The same with the token embedding in the host's memory or not. */
    public QuantizationConfig withOffloadEmbedding(boolean offload) {
        return with(loadIn4bit, loadIn8bit, llmInt8Threshold, offload, llmInt8SkipModules);
    }

    /** The same with other layers kept dense. */
    public QuantizationConfig withSkipModules(SkipModules skip) {
        return with(loadIn4bit, loadIn8bit, llmInt8Threshold, offloadEmbedding, skip);
    }

    private QuantizationConfig with(
            boolean in4bit, boolean in8bit, double threshold, boolean offload, SkipModules skip) {
        return new QuantizationConfig(
                in4bit,
                bnb4bitQuantType,
                bnb4bitUseDoubleQuant,
                blockSize,
                bnb4bitComputeDtype,
                offload,
                bnb4bitQuantStorage,
                skip,
                in8bit,
                threshold);
    }

    /** The same in the format of a checkpoint that is quantised already; of any other (null) this. */
    public QuantizationConfig as(StoredQuantization stored) {
        if (stored == null) {
            return this;
        }
        if (stored.loadIn8bit()) {
            return withInt8(stored.llmInt8Threshold()).withSkipModules(stored.skipModules());
        }
        return new QuantizationConfig(
                true,
                stored.quantType(),
                stored.doubleQuant(),
                stored.blockSize(),
                bnb4bitComputeDtype,
                offloadEmbedding,
                stored.storage(),
                stored.skipModules(),
                false,
                llmInt8Threshold);
    }

    /**
     * Whether a linear layer is quantised.
     *
     * @param quantizable whether there is a way to, which for the output projection there is not
     * @param module its full name
     */
    public boolean quantizes(boolean quantizable, String module) {
        return quantized() && quantizable && !llmInt8SkipModules.skips(module);
    }

    /** The kernels' description of the 4-bit format. */
    public QuantFormat format() {
        return new QuantFormat(bnb4bitQuantType, blockSize, bnb4bitUseDoubleQuant);
    }
}
