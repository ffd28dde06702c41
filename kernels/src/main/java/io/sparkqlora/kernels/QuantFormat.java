// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A 4-bit block format of bitsandbytes.
 *
 * @param type the sixteen levels: {@code nf4} or {@code fp4}
 * @param blockSize elements that share a scale, in the row-major order of the weight
 * @param doubleQuant whether the scales are themselves quantised to 8 bits in blocks of 256 (bnb_4bit_use_double_quant)
 */
public record QuantFormat(Type type, int blockSize, boolean doubleQuant) {

    /** Scales in a block of the second quantisation. */
    public static final int NESTED_BLOCK_SIZE = 256;

    /** The sixteen levels. */
    public enum Type {
        NF4,
        FP4
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
