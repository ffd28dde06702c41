// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Dropout;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.DropRate;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Inverted dropout: the 15 random bits of four elements lie in a long, those of the first lowest. */
final class CpuDropout implements Dropout {

    private static final VectorSpecies<Integer> INTS = IntVector.SPECIES_PREFERRED;
    /** As many shorts as there are floats in a vector. */
    private static final VectorShape HALF = VectorShape.forBitSize(VectorMath.SPECIES.vectorBitSize() / 2);

    private static final VectorSpecies<Long> LONGS = VectorSpecies.of(long.class, HALF);
    private static final int BITS = 0x7fff;
    private static final int PER_BLOCK = 8; // elements of a call of the generator
    private static final int PER_LONG = 4;
    private static final ThreadLocal<long[]> RANDOM = ThreadLocal.withInitial(
            () -> new long[(Elements.PART + VectorMath.LANES) / PER_LONG + 2 * (Philox.LANES + 1)]);

    private final Workers workers;

    CpuDropout(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, long firstRow, Tensor out) {
        Checks.vector(streamBase, DType.I64, 1);
        DropRate rate = DropRate.of(p);
        long mask = Native.getLong(streamBase.address()) + stream;
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(x, row, col, count, buffers[0], 0);
                    long first = firstRow * x.cols() + row * x.cols() + col;
                    long[] random = draw(first, count, seed, mask);
                    if (first % PER_BLOCK == 0) {
                        drop(buffers[0], random, count, rate);
                    } else {
                        dropOneByOne(buffers[0], random, (int) (first % PER_BLOCK), count, rate);
                    }
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                x,
                out);
    }

    private static long[] draw(long first, int count, long seed, long stream) {
        long[] random = RANDOM.get();
        int blocks = (int) ((first % PER_BLOCK + count + PER_BLOCK - 1) / PER_BLOCK);
        Philox.blocks(first / PER_BLOCK, stream, seed, blocks, random);
        return random;
    }

    private static void drop(float[] x, long[] random, int count, DropRate rate) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            ShortVector shorts =
                    LongVector.fromArray(LONGS, random, i / PER_LONG).reinterpretAsShorts();
            IntVector bits = ((IntVector) shorts.convertShape(VectorOperators.S2I, INTS, 0)).and(BITS);
            VectorMask<Float> dropped =
                    bits.compare(VectorOperators.LT, rate.threshold()).cast(VectorMath.SPECIES);
            VectorMath.load(x, i).mul(rate.factor()).blend(0f, dropped).intoArray(x, i);
        }
    }

    /** Where the elements don't begin with a block. */
    private static void dropOneByOne(float[] x, long[] random, int from, int count, DropRate rate) {
        for (int i = 0; i < count; i++) {
            int at = from + i;
            int bits = (int) (random[at / PER_LONG] >>> (at % PER_LONG * Short.SIZE)) & BITS;
            x[i] = bits < rate.threshold() ? 0f : x[i] * rate.factor();
        }
    }
}
