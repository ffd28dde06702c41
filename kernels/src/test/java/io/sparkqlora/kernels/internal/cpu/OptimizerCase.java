// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.AdamW8bit;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Device;
import org.junit.jupiter.api.AfterEach;

/** What the tests of optimizers have in common: a device, and flat tensors there. */
abstract class OptimizerCase {

    static final int BLOCK = AdamW8bit.BLOCK_SIZE;

    final Device device = TestDevice.open();

    @AfterEach
    void close() {
        device.close();
    }

    /** F32 [1, values]. */
    final Matrix floats(float... values) {
        Matrix matrix = Matrix.contiguous(device, DType.F32, 1, values.length);
        Native.store(values, 0, values.length, matrix.tensor.address());
        return matrix;
    }

    /** What is there. */
    static float[] floats(Matrix matrix) {
        float[] out = new float[(int) matrix.tensor.size()];
        Native.load(matrix.tensor.address(), out, 0, out.length);
        return out;
    }

    /** The codes of a moment before the first step. */
    final Matrix codes(int elements) {
        Matrix codes = Matrix.contiguous(device, DType.U8, 1, elements);
        Native.fill(codes.tensor.address(), elements, (byte) 0);
        return codes;
    }

    /** I32 [blocks, 2]: first element and count of each. */
    final Matrix blocks(int... places) {
        return Matrix.contiguous(device, DType.I32, places.length / 2, 2).ints(places);
    }

    /** The places of the blocks of one tensor. */
    static int[] blocksOf(int elements) {
        int[] blocks = new int[2 * ((elements + BLOCK - 1) / BLOCK)];
        for (int i = 0; i < blocks.length / 2; i++) {
            blocks[2 * i] = i * BLOCK;
            blocks[2 * i + 1] = Math.min(BLOCK, elements - i * BLOCK);
        }
        return blocks;
    }
}
