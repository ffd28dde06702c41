// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.GradientClip;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.Checks;

/**
 * Sums in F64 over chunks of 4096 elements, then over the chunks in order: the order does not depend on the threads, so the
 * same gradients give the same norm bit for bit.
 */
final class CpuGradientClip implements GradientClip {

    private static final int CHUNK = 4096;
    private static final float EPSILON = 1e-6f;

    private final Workers workers;

    CpuGradientClip(Workers workers) {
        this.workers = workers;
    }

    @Override
    public void sumOfSquares(Tensor x, Tensor out) {
        reduce(x, out, true, 0);
    }

    @Override
    public void addSum(Tensor x, Tensor out) {
        Checks.vector(out, DType.F64, 1);
        reduce(x, out, false, Native.getDouble(out.address()));
    }

    private void reduce(Tensor x, Tensor out, boolean squares, double before) {
        Checks.vector(x, DType.F32, x.size());
        Checks.vector(out, DType.F64, 1);
        double[] partial = new double[Math.toIntExact((x.size() + CHUNK - 1) / CHUNK)];
        workers.forRange(partial.length, Elements.grain(CHUNK), (from, to) -> {
            float[] buffer = Elements.buffers(CHUNK)[0];
            for (int i = (int) from; i < to; i++) {
                long at = (long) i * CHUNK;
                int count = (int) Math.min(CHUNK, x.size() - at);
                Native.load(x.address() + 4 * at, buffer, 0, count);
                partial[i] = squares ? sumOfSquares(buffer, count) : sum(buffer, count);
            }
        });
        double total = 0;
        for (double part : partial) {
            total += part;
        }
        Native.putDouble(out.address(), before + total);
    }

    /** Four sums side by side, since one alone would wait for each addition. */
    private static double sumOfSquares(float[] x, int count) {
        double s0 = 0;
        double s1 = 0;
        double s2 = 0;
        double s3 = 0;
        int i = 0;
        for (; i <= count - 4; i += 4) {
            s0 += (double) x[i] * x[i];
            s1 += (double) x[i + 1] * x[i + 1];
            s2 += (double) x[i + 2] * x[i + 2];
            s3 += (double) x[i + 3] * x[i + 3];
        }
        for (; i < count; i++) {
            s0 += (double) x[i] * x[i];
        }
        return s0 + s1 + (s2 + s3);
    }

    private static double sum(float[] x, int count) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += x[i];
        }
        return sum;
    }

    @Override
    public void clip(Tensor sumOfSquares, float maxNorm, Tensor normAndScale) {
        Checks.vector(sumOfSquares, DType.F64, 1);
        Checks.vector(normAndScale, DType.F32, 2);
        float norm = (float) Math.sqrt(Native.getDouble(sumOfSquares.address()));
        // min keeps not-a-number, so that a broken gradient is not hidden
        float scale = maxNorm == 0f ? 1f : Math.min(1f, maxNorm / (norm + EPSILON));
        Native.putFloat(normAndScale.address(), norm);
        Native.putFloat(normAndScale.address() + 4, scale);
    }
}
