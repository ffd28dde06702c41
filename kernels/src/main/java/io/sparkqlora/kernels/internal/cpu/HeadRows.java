// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;

/** Copies one head's columns between tensors and tiles. */
final class HeadRows {

    private HeadRows() {}

    /** Rows {@code row} to {@code row + count} of a head, their bits as they are, zeros up to {@code padded} rows. */
    static void gather(Tensor source, long row, int count, int head, AttentionTiles tiles, long target, int padded) {
        long width = (long) tiles.width() * tiles.dtype().bytes();
        long bytes = (long) tiles.headDim() * tiles.dtype().bytes();
        if (padded > count || width > bytes) {
            Native.fill(target, padded * width, (byte) 0);
        }
        for (int i = 0; i < count; i++) {
            Native.copy(source.address(row + i) + head * bytes, target + i * width, bytes);
        }
    }

    /** The query rows of all heads of a group, a block of {@code tiles.queries()} rows a head. */
    static void gatherGroup(Tensor source, long row, int count, int kvHead, AttentionTiles tiles, long target) {
        long block = (long) tiles.queries() * tiles.width() * tiles.dtype().bytes();
        for (int g = 0; g < tiles.group(); g++) {
            int head = kvHead * tiles.group() + g;
            gather(source, row, count, head, tiles, target + g * block, tiles.queries());
        }
    }

    /** Writes F32 rows of {@code tiles.width()} elements to a head's columns, rounded to the tensor's type. */
    static void scatter(long source, Tensor target, long row, int count, int head, AttentionTiles tiles) {
        float[] buffer = new float[tiles.headDim()];
        long width = (long) tiles.width() * DType.F32.bytes();
        for (int i = 0; i < count; i++) {
            Native.load(source + i * width, buffer, 0, buffer.length);
            Rows.store(buffer, 0, buffer.length, target, row + i, (long) head * tiles.headDim());
        }
    }

    /** {@code out[g · queries + i] = Σ a · b} over the head's columns of row {@code row + i}. */
    static void dots(Tensor a, Tensor b, long row, int count, int kvHead, AttentionTiles tiles, float[] out) {
        int headDim = tiles.headDim();
        float[] left = new float[headDim];
        float[] right = new float[headDim];
        float[] lanes = new float[VectorMath.LANES];
        for (int g = 0; g < tiles.group(); g++) {
            long column = (long) (kvHead * tiles.group() + g) * headDim;
            for (int i = 0; i < count; i++) {
                Rows.load(a, row + i, column, headDim, left, 0);
                Rows.load(b, row + i, column, headDim, right, 0);
                out[g * tiles.queries() + i] = SoftmaxRows.dot(left, right, headDim, lanes);
            }
        }
    }
}
