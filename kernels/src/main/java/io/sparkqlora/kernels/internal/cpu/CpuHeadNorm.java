// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.HeadNorm;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/** Normalisation of heads, one after another: each element is read and written once. */
final class CpuHeadNorm implements HeadNorm {

    private final Workers workers;

    CpuHeadNorm(Workers workers) {
        this.workers = workers;
    }

    /** What to do with the head that begins at {@code col}; the gains are in {@code buffers[1]}. */
    private interface Head {
        void run(long row, int col, int n, float[][] buffers);
    }

    @Override
    public void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y) {
        Checks.heads(weight, x, y);
        forEachHead(x, weight, weightOffset, (row, col, n, buffers) -> {
            Rows.load(x, row, col, n, buffers[0], 0);
            CpuRmsNorm.normalise(buffers[0], CpuRmsNorm.rstd(buffers[0], n, eps), buffers[1], n);
            Rows.store(buffers[0], 0, n, y, row, col);
        });
    }

    @Override
    public void backward(Tensor dy, Tensor x, Tensor weight, float weightOffset, float eps, Tensor dx) {
        Checks.heads(weight, x, dy, dx);
        forEachHead(x, weight, weightOffset, (row, col, n, buffers) -> {
            Rows.load(x, row, col, n, buffers[0], 0);
            Rows.load(dy, row, col, n, buffers[2], 0);
            CpuRmsNorm.gradient(buffers[2], buffers[0], buffers[1], CpuRmsNorm.rstd(buffers[0], n, eps), n);
            Rows.store(buffers[2], 0, n, dx, row, col);
        });
    }

    private void forEachHead(Tensor x, Tensor weight, float weightOffset, Head head) {
        int cols = Math.toIntExact(x.cols());
        int n = Math.toIntExact(weight.cols());
        workers.forRange(x.rows(), Elements.grain(cols), (from, to) -> {
            float[][] buffers = Elements.buffers(n);
            CpuRmsNorm.gain(weight, weightOffset, n, buffers[1]);
            for (long row = from; row < to; row++) {
                for (int col = 0; col < cols; col += n) {
                    head.run(row, col, n, buffers);
                }
            }
        });
    }
}
