// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Rope;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** Rotary position embedding in place, a token at a time. */
final class CpuRope implements Rope {

    // in long loops the API's own methods, which are inlined whatever the size of the loop
    private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;

    private final Workers workers;

    CpuRope(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void apply(Tensor x, Tensor positions, Tensor cos, Tensor sin, int headDim, boolean inverse) {
        check(x, positions, cos, sin, headDim);
        int cols = Math.toIntExact(x.cols());
        int half = Math.toIntExact(cos.cols());
        workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(cols);
            for (long row = from; row < to; row++) {
                long position = position(positions, row, cos.rows());
                Rows.load(cos, position, 0, half, buffers[1], 0);
                Rows.load(sin, position, 0, half, buffers[2], 0);
                if (inverse) {
                    negate(buffers[2], half);
                }
                Rows.load(x, row, 0, cols, buffers[0], 0);
                for (int head = 0; head < cols; head += headDim) {
                    turn(buffers[0], head, half, buffers[1], buffers[2]);
                }
                Rows.store(buffers[0], 0, cols, x, row, 0);
            }
        });
    }

    private static void check(Tensor x, Tensor positions, Tensor cos, Tensor sin, int headDim) {
        Checks.vector(positions, DType.I32, x.rows());
        Checks.sameShape(cos, sin);
        if (headDim < 1 || x.cols() % headDim != 0 || 2 * cos.cols() > headDim) {
            throw new IllegalArgumentException(
                    "rows of " + x.cols() + " are no heads of " + headDim + " of which " + 2 * cos.cols() + " turn");
        }
    }

    private static long position(Tensor positions, long row, long limit) {
        int position = Native.getInt(positions.address() + 4 * row);
        if (position < 0 || position >= limit) {
            throw new IllegalArgumentException(
                    "token " + row + " has position " + position + ", the tables have 0 to " + (limit - 1));
        }
        return position;
    }

    private static void turn(float[] x, int at, int half, float[] cos, float[] sin) {
        int i = 0;
        for (; i <= half - VectorMath.LANES; i += VectorMath.LANES) {
            FloatVector first = FloatVector.fromArray(SPECIES, x, at + i);
            FloatVector second = FloatVector.fromArray(SPECIES, x, at + half + i);
            FloatVector c = FloatVector.fromArray(SPECIES, cos, i);
            FloatVector s = FloatVector.fromArray(SPECIES, sin, i);
            first.mul(c).sub(second.mul(s)).intoArray(x, at + i);
            second.mul(c).add(first.mul(s)).intoArray(x, at + half + i);
        }
        for (; i < half; i++) {
            float first = x[at + i];
            float second = x[at + half + i];
            x[at + i] = first * cos[i] - second * sin[i];
            x[at + half + i] = second * cos[i] + first * sin[i];
        }
    }

    private static void negate(float[] x, int count) {
        for (int i = 0; i < count; i++) {
            x[i] = -x[i];
        }
    }
}
