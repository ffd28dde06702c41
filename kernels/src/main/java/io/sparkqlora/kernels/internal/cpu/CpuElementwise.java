// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;

/** Operations on each element. All are bound by memory traffic: each operand is read once, the result written once. */
final class CpuElementwise implements Elementwise {

    private final Workers workers;

    CpuElementwise(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void cast(Tensor source, Tensor out) {
        boolean copy = source.dtype() == out.dtype();
        int width = out.dtype().bytes();
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    if (copy) {
                        Native.copy(
                                source.address(row) + col * width,
                                out.address(row) + col * width,
                                (long) count * width);
                    } else {
                        Rows.load(source, row, col, count, buffers[0], 0);
                        Rows.store(buffers[0], 0, count, out, row, col);
                    }
                },
                source,
                out);
    }

    @Override
    public void add(Tensor a, Tensor b, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(a, row, col, count, buffers[0], 0);
                    Rows.load(b, row, col, count, buffers[1], 0);
                    add(buffers[0], buffers[1], count);
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                out,
                a,
                b);
    }

    @Override
    public void addBias(Tensor out, Tensor bias) {
        Checks.shape(bias, 1, out.cols());
        int cols = Math.toIntExact(out.cols());
        workers.forRange(out.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(cols);
            Rows.load(bias, 0, 0, cols, buffers[1], 0);
            for (long row = from; row < to; row++) {
                Rows.load(out, row, 0, cols, buffers[0], 0);
                add(buffers[0], buffers[1], cols);
                Rows.store(buffers[0], 0, cols, out, row, 0);
            }
        });
    }

    private static void add(float[] sum, float[] x, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            VectorMath.load(sum, i).add(VectorMath.load(x, i)).intoArray(sum, i);
        }
    }

    @Override
    public void addColumnSums(Tensor x, Tensor sums) {
        new ColumnSums(workers).add(x, null, null, sums);
    }

    @Override
    public void scale(Tensor source, float scale, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(source, row, col, count, buffers[0], 0);
                    for (int i = 0; i < count; i += VectorMath.LANES) {
                        FloatVector x = VectorMath.load(buffers[0], i);
                        x.mul(scale).intoArray(buffers[0], i);
                    }
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                out,
                source);
    }

    @Override
    public void softCap(Tensor source, float softCap, Tensor out) {
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(source, row, col, count, buffers[0], 0);
                    SoftmaxRows.cap(buffers[0], 0, count, 1f, softCap);
                    Rows.store(buffers[0], 0, count, out, row, col);
                },
                out,
                source);
    }

    @Override
    public void zero(Tensor out) {
        int width = out.dtype().bytes();
        Elements.forEach(
                workers,
                (row, col, count, buffers) ->
                        Native.fill(out.address(row) + col * width, (long) count * width, (byte) 0),
                out);
    }
}
