// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QuantizedMatrix;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * 4-bit codes back to numbers, a chunk of a row at a time. A table of 256 pairs of levels turns a byte into two floats by one
 * 8-byte load, which beats looking codes up one by one; the rest (scaling, rounding) is vector work in the first-level cache.
 * Half a byte an element is read and the result is written once.
 */
final class BlockDequantizer implements Dequantizer {

    /** Elements of a row that are staged at once; even, so that chunks start with a whole byte in rows that do. */
    private static final int CHUNK = 2048;

    private static final VectorSpecies<Long> LONGS = LongVector.SPECIES_PREFERRED;

    private final QuantizedMatrix matrix;
    private final DType out;
    private final long[] pairs;
    private final byte[] bytes = new byte[CHUNK / 2 + 1];
    private final long[] levels = new long[CHUNK / 2];
    private final float[] values = new float[CHUNK];
    private final float[] scales = new float[CHUNK / 32 + 1];

    BlockDequantizer(QuantizedMatrix matrix, DType out) {
        this.matrix = matrix;
        this.out = out;
        this.pairs = pairs(matrix);
    }

    /** The two levels of each byte, the first (the high half of the byte) where it comes first in memory. */
    private static long[] pairs(QuantizedMatrix matrix) {
        float[] level = matrix.format().type().levels();
        long[] pairs = new long[256];
        for (int b = 0; b < pairs.length; b++) {
            pairs[b] = pair(level[b >>> 4], level[b & 15]);
        }
        return pairs;
    }

    private static long pair(float first, float second) {
        return (Float.floatToRawIntBits(first) & 0xffffffffL) | ((long) Float.floatToRawIntBits(second) << 32);
    }

    @Override
    public void run(long row, long rows, long col, long cols, long target, long rowBytes) {
        for (long r = 0; r < rows; r++) {
            for (long c = 0; c < cols; c += CHUNK) {
                part(row + r, col + c, (int) Math.min(CHUNK, cols - c), target + r * rowBytes + c * out.bytes());
            }
        }
    }

    private void part(long row, long col, int count, long target) {
        long element = row * matrix.cols() + col;
        int skip = (int) (element & 1);
        int length = (skip + count + 1) / 2;
        Native.load(matrix.packed().address() + element / 2, bytes, 0, length);
        if (skip == 0) {
            expand(length);
        } else {
            expandFromSecondHalf(count);
        }
        int blockSize = matrix.format().blockSize();
        scale(count, element / blockSize, (int) (element % blockSize));
        Rows.store(values, 0, count, out, target);
    }

    private void expand(int length) {
        for (int i = 0; i < length; i++) {
            levels[i] = pairs[bytes[i] & 0xff];
        }
        for (int i = 0; i < length; i += LONGS.length()) {
            LongVector.fromArray(LONGS, levels, i).reinterpretAsFloats().intoArray(values, 2 * i);
        }
    }

    /** For odd rows of a weight with an odd number of columns. */
    private void expandFromSecondHalf(int count) {
        for (int i = 0; i < count; i++) {
            long pair = pairs[bytes[(i + 1) / 2] & 0xff];
            values[i] = Float.intBitsToFloat((int) ((i & 1) == 0 ? pair >>> 32 : pair));
        }
    }

    private void scale(int count, long firstScale, int offset) {
        int blockSize = matrix.format().blockSize();
        int blocks = (offset + count - 1) / blockSize + 1;
        ScaleCodec.decode(matrix, firstScale, blocks, scales, 0);
        int at = 0;
        for (int block = 0; block < blocks; block++) {
            int end = Math.min(count, (block + 1) * blockSize - offset);
            multiply(at, end, scales[block]);
            at = end;
        }
    }

    private void multiply(int from, int to, float scale) {
        int i = from;
        for (; i <= to - VectorMath.LANES; i += VectorMath.LANES) {
            FloatVector x = VectorMath.load(values, i);
            x.mul(scale).intoArray(values, i);
        }
        for (; i < to; i++) {
            values[i] *= scale;
        }
    }
}
