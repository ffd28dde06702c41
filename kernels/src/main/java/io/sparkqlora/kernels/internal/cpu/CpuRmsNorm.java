// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.RmsNorm;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;
import jdk.incubator.vector.FloatVector;

/** Root-mean-square normalisation, a row at a time: each tensor is read or written once. */
final class CpuRmsNorm implements RmsNorm {

    private final Workers workers;

    CpuRmsNorm(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        forward(x, null, x, weight, weightOffset, eps, y, rstd);
    }

    @Override
    public void addForward(
            Tensor x, Tensor addTo, Tensor sum, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        Checks.sameShape(x, addTo, sum);
        forward(x, addTo, sum, weight, weightOffset, eps, y, rstd);
    }

    private void forward(
            Tensor x, Tensor addTo, Tensor sum, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd) {
        Checks.sameShape(x, y);
        Checks.shape(weight, 1, x.cols());
        Checks.vector(rstd, DType.F32, x.rows());
        int n = Math.toIntExact(x.cols());
        workers.forRange(x.rows(), Elements.grain(n), (from, to) -> {
            float[][] buffers = Elements.buffers(n);
            float[] gain = gain(weight, weightOffset, n, buffers[1]);
            for (long row = from; row < to; row++) {
                Rows.load(x, row, 0, n, buffers[0], 0);
                if (addTo != null) {
                    addRow(addTo, sum, row, n, buffers);
                }
                float r = rstd(buffers[0], n, eps);
                normalise(buffers[0], r, gain, n);
                Rows.store(buffers[0], 0, n, y, row, 0);
                Native.putFloat(rstd.address() + 4 * row, r);
            }
        });
    }

    static float rstd(float[] x, int n, float eps) {
        return (float) (1 / Math.sqrt(Sums.dot(x, x, n) / n + eps));
    }

    /** Leaves the sum in {@code buffers[0]} as it was rounded. */
    private static void addRow(Tensor addTo, Tensor sum, long row, int n, float[][] buffers) {
        Rows.load(addTo, row, 0, n, buffers[2], 0);
        add(buffers[0], buffers[2], n);
        Rows.store(buffers[0], 0, n, sum, row, 0);
        Rows.load(sum, row, 0, n, buffers[0], 0);
    }

    /** {@code weight + offset}, in {@code gain}. */
    static float[] gain(Tensor weight, float offset, int n, float[] gain) {
        Rows.load(weight, 0, 0, n, gain, 0);
        if (offset != 0f) {
            for (int i = 0; i < n; i++) {
                gain[i] += offset;
            }
        }
        return gain;
    }

    /** {@code x ← x · rstd · gain}. */
    static void normalise(float[] x, float rstd, float[] gain, int n) {
        for (int i = 0; i < n; i += VectorMath.LANES) {
            VectorMath.load(x, i).mul(rstd).mul(VectorMath.load(gain, i)).intoArray(x, i);
        }
    }

    @Override
    public void backward(
            Tensor dy, Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor addTo, Tensor dx, Tensor y) {
        Checks.sameShape(x, dy, dx, addTo == null ? dx : addTo, y == null ? dx : y);
        Checks.shape(weight, 1, x.cols());
        Checks.vector(rstd, DType.F32, x.rows());
        int n = Math.toIntExact(x.cols());
        workers.forRange(x.rows(), Elements.grain(n), (from, to) -> {
            float[][] buffers = Elements.buffers(n);
            float[] gain = gain(weight, weightOffset, n, buffers[1]);
            for (long row = from; row < to; row++) {
                Rows.load(x, row, 0, n, buffers[0], 0);
                Rows.load(dy, row, 0, n, buffers[2], 0);
                float r = Native.getFloat(rstd.address() + 4 * row);
                gradient(buffers[2], buffers[0], gain, r, n);
                if (addTo != null) {
                    Rows.load(addTo, row, 0, n, buffers[3], 0);
                    add(buffers[2], buffers[3], n);
                }
                Rows.store(buffers[2], 0, n, dx, row, 0);
                if (y != null) {
                    normalise(buffers[0], r, gain, n);
                    Rows.store(buffers[0], 0, n, y, row, 0);
                }
            }
        });
    }

    /** {@code dy ← rstd · (g − x · rstd² · mean(g · x))} with {@code g = dy · gain}. */
    static void gradient(float[] dy, float[] x, float[] gain, float rstd, int n) {
        for (int i = 0; i < n; i += VectorMath.LANES) {
            VectorMath.load(dy, i).mul(VectorMath.load(gain, i)).intoArray(dy, i);
        }
        float factor = (float) ((double) rstd * rstd * Sums.dot(dy, x, n) / n);
        for (int i = 0; i < n; i += VectorMath.LANES) {
            FloatVector g = VectorMath.load(dy, i);
            g.sub(VectorMath.load(x, i).mul(factor)).mul(rstd).intoArray(dy, i);
        }
    }

    private static void add(float[] sum, float[] x, int n) {
        for (int i = 0; i < n; i += VectorMath.LANES) {
            VectorMath.load(sum, i).add(VectorMath.load(x, i)).intoArray(sum, i);
        }
    }
}
