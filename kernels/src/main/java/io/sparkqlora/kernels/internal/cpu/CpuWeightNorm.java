// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.WeightNorm;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;

/** Norms of rows and factors of columns: each matrix is read once. */
final class CpuWeightNorm implements WeightNorm {

    private final Workers workers;
    private final ColumnSums columnSums;

    CpuWeightNorm(Workers workers) {
        this.workers = workers;
        this.columnSums = new ColumnSums(workers);
    }

    @Override
    public void rowNorms(Tensor w, Tensor norms) {
        Checks.vector(norms, DType.F32, w.rows());
        int cols = Math.toIntExact(w.cols());
        workers.forRange(w.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(cols);
            for (long row = from; row < to; row++) {
                Rows.load(w, row, 0, cols, buffers[0], 0);
                buffers[1][0] = (float) Math.sqrt(Sums.dot(buffers[0], buffers[0], cols));
                Rows.store(buffers[1], 0, 1, norms, 0, row);
            }
        });
    }

    @Override
    public void divide(Tensor magnitude, Tensor norms, Tensor quotient) {
        Checks.vector(magnitude, DType.F32, quotient.size());
        Checks.vector(norms, DType.F32, quotient.size());
        Checks.vector(quotient, DType.F32, quotient.size());
        Elements.forEach(
                workers,
                (row, col, count, buffers) -> {
                    Rows.load(magnitude, row, col, count, buffers[0], 0);
                    Rows.load(norms, row, col, count, buffers[1], 0);
                    for (int i = 0; i < count; i += VectorMath.LANES) {
                        FloatVector m = VectorMath.load(buffers[0], i);
                        m.div(VectorMath.load(buffers[1], i)).intoArray(buffers[0], i);
                    }
                    Rows.store(buffers[0], 0, count, quotient, row, col);
                },
                quotient,
                magnitude,
                norms);
    }

    @Override
    public void scaleColumns(Tensor x, Tensor factors, float offset, boolean add, Tensor y) {
        Checks.alike(y, x);
        Checks.vector(factors, DType.F32, x.cols());
        int cols = Math.toIntExact(x.cols());
        workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(cols);
            Rows.load(factors, 0, 0, cols, buffers[1], 0);
            for (int i = 0; i < cols; i += VectorMath.LANES) {
                VectorMath.load(buffers[1], i).add(offset).intoArray(buffers[1], i);
            }
            for (long row = from; row < to; row++) {
                Rows.load(x, row, 0, cols, buffers[0], 0);
                if (add) {
                    Rows.load(y, row, 0, cols, buffers[2], 0);
                }
                scale(buffers, add, cols);
                Rows.store(buffers[0], 0, cols, y, row, 0);
            }
        });
    }

    private static void scale(float[][] buffers, boolean add, int count) {
        for (int i = 0; i < count; i += VectorMath.LANES) {
            FloatVector x = VectorMath.load(buffers[0], i);
            FloatVector factor = VectorMath.load(buffers[1], i);
            FloatVector scaled = add ? x.fma(factor, VectorMath.load(buffers[2], i)) : x.mul(factor);
            scaled.intoArray(buffers[0], i);
        }
    }

    @Override
    public void scaleRows(Tensor w, Tensor factors) {
        Checks.floating(w);
        Checks.vector(factors, DType.F32, w.rows());
        int cols = Math.toIntExact(w.cols());
        workers.forRange(w.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(cols);
            for (long row = from; row < to; row++) {
                Rows.load(factors, 0, row, 1, buffers[1], 0);
                Rows.load(w, row, 0, cols, buffers[0], 0);
                for (int i = 0; i < cols; i += VectorMath.LANES) {
                    VectorMath.load(buffers[0], i).mul(buffers[1][0]).intoArray(buffers[0], i);
                }
                Rows.store(buffers[0], 0, cols, w, row, 0);
            }
        });
    }

    @Override
    public void gradient(Tensor dy, Tensor u, Tensor norms, Tensor gradient) {
        Checks.alike(dy, u);
        Checks.vector(norms, DType.F32, dy.cols());
        columnSums.add(dy, u, norms, gradient);
    }
}
