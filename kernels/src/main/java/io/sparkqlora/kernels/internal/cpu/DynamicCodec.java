// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.AdamW8bit.Moment;
import io.sparkqlora.kernels.DynamicMap;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.DynamicBins;
import java.util.function.Consumer;

/** Between an optimizer's numbers and their codes of one map, a block at a time. */
record DynamicCodec(float[] map, byte[] codeOfBin) {

    static final DynamicCodec SIGNED = new DynamicCodec(DynamicMap.signed());
    static final DynamicCodec UNSIGNED = new DynamicCodec(DynamicMap.unsigned());

    private static final int BLOCK_SIZE = AdamW8bit.BLOCK_SIZE;
    private static final ThreadLocal<byte[]> CODES = ThreadLocal.withInitial(() -> new byte[BLOCK_SIZE]);

    private DynamicCodec(float[] map) {
        this(map, DynamicBins.codes(map));
    }

    /** Elements that share a scale. */
    record Block(long index, long first, int size) {}

    /** Takes the blocks of a table [blocks, 2] of first elements and counts. */
    static void forEach(Workers workers, Tensor blocks, long elements, Consumer<Block> body) {
        workers.forRange(blocks.rows(), Elements.grain(BLOCK_SIZE), (from, to) -> {
            for (long block = from; block < to; block++) {
                long first = Native.getInt(blocks.address(block));
                int size = Native.getInt(blocks.address(block) + 4);
                check(first, size, elements);
                body.accept(new Block(block, first, size));
            }
        });
    }

    private static void check(long first, int size, long elements) {
        if (first < 0 || size < 0 || size > BLOCK_SIZE || first + size > elements) {
            throw new IllegalArgumentException(
                    "a block of " + size + " elements from element " + first + " of " + elements);
        }
    }

    void decode(Moment moment, Block block, float[] values) {
        byte[] codes = CODES.get();
        Native.load(moment.codes().address() + block.first, codes, 0, block.size);
        float absmax = Native.getFloat(moment.absmax().address() + 4 * block.index);
        for (int i = 0; i < block.size; i++) {
            values[i] = map[codes[i] & 0xff] * absmax;
        }
    }

    void encode(float[] values, Moment moment, Block block) {
        float absmax = 0f;
        for (int i = 0; i < block.size; i++) {
            float magnitude = Math.abs(values[i]);
            absmax = magnitude > absmax ? magnitude : absmax;
        }
        byte[] codes = CODES.get();
        float inverse = 1f / absmax;
        for (int i = 0; i < block.size; i++) {
            codes[i] = absmax == 0f ? 0 : codeOfBin[DynamicBins.bin(values[i] * inverse)];
        }
        Native.store(codes, 0, block.size, moment.codes().address() + block.first);
        Native.putFloat(moment.absmax().address() + 4 * block.index, absmax);
    }
}
