// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A 4-bit block format of bitsandbytes.
 *
 * @param type the sixteen levels: {@code nf4} or {@code fp4}
 * @param blockSize elements that share a scale, in the row-major order of the weight; a power of two from 32 to 4096
 * @param doubleQuant whether the scales are themselves quantised to 8 bits in blocks of 256 (bnb_4bit_use_double_quant)
 */
public record QuantFormat(Type type, int blockSize, boolean doubleQuant) {

    /** Scales in a block of the second quantisation. */
    public static final int NESTED_BLOCK_SIZE = 256;

    private static final int MIN_BLOCK_SIZE = 32;
    private static final int MAX_BLOCK_SIZE = 4096;

    public QuantFormat {
        if (blockSize < MIN_BLOCK_SIZE || blockSize > MAX_BLOCK_SIZE || Integer.bitCount(blockSize) != 1) {
            throw KernelErrors.badBlockSize(blockSize, MIN_BLOCK_SIZE, MAX_BLOCK_SIZE);
        }
    }

    /** The sixteen levels. Names are those of {@code bnb_4bit_quant_type} in upper case. */
    public enum Type {
        /** NormalFloat: quantiles of the normal distribution (Dettmers et al., 2023, appendix E). */
        NF4(
                -1f,
                -0.6961928f,
                -0.52507305f,
                -0.3949175f,
                -0.28444138f,
                -0.18477343f,
                -0.091050036f,
                0f,
                0.0795803f,
                0.1609302f,
                0.2461123f,
                0.33791524f,
                0.44070983f,
                0.562617f,
                0.72295684f,
                1f),
        /** A sign, two bits of exponent, one of mantissa, divided by the largest value, 12. In the order of the codes. */
        FP4(
                0f,
                0.0625f / 12f,
                8f / 12f,
                1f,
                4f / 12f,
                6f / 12f,
                2f / 12f,
                3f / 12f,
                0f,
                -0.0625f / 12f,
                -8f / 12f,
                -1f,
                -4f / 12f,
                -6f / 12f,
                -2f / 12f,
                -3f / 12f);

        private final float[] levels;

        Type(float... levels) {
            this.levels = levels;
        }

        /** A copy of the sixteen levels by code; what checkpoints hold as {@code quant_map}. */
        public float[] levels() {
            return levels.clone();
        }
    }

    /** Blocks of a weight of {@code elements}; the last may be short. */
    public long blocks(long elements) {
        return (elements + blockSize - 1) / blockSize;
    }

    /** Blocks of the second quantisation. */
    public long nestedBlocks(long elements) {
        return (blocks(elements) + NESTED_BLOCK_SIZE - 1) / NESTED_BLOCK_SIZE;
    }

    /** Bytes of a quantised weight with its scales. */
    public long bytes(long elements) {
        long packed = (elements + 1) / 2;
        return doubleQuant ? packed + blocks(elements) + 4 * nestedBlocks(elements) + 4 : packed + 4 * blocks(elements);
    }
}
