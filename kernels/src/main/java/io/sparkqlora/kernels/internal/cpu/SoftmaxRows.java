// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static io.sparkqlora.kernels.internal.cpu.VectorMath.LANES;
import static io.sparkqlora.kernels.internal.cpu.VectorMath.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * The elementwise parts of attention on rows of scores. Lengths are multiples of the vector length but for {@link #dot}.
 * Sums run lane by lane and then over the lanes in order, so they are the same in every JIT tier.
 */
final class SoftmaxRows {

    private static final ThreadLocal<float[]> LANE_VALUES = ThreadLocal.withInitial(() -> new float[LANES]);

    private SoftmaxRows() {}

    /** {@code score ← softCap · tanh(scale · score / softCap)}. */
    static void cap(float[] scores, int at, int count, float scale, float softCap) {
        for (int i = at; i < at + count; i += LANES) {
            FloatVector x = VectorMath.load(scores, i).mul(scale).div(softCap);
            VectorMath.tanh(x).mul(softCap).intoArray(scores, i);
        }
    }

    static float max(float[] values, int at, int count) {
        FloatVector max = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
        for (int i = at; i < at + count; i += LANES) {
            max = max.max(VectorMath.load(values, i));
        }
        float[] lanes = LANE_VALUES.get();
        max.intoArray(lanes, 0);
        float highest = lanes[0];
        for (float lane : lanes) {
            highest = Math.max(highest, lane);
        }
        return highest;
    }

    /** Replaces scores by {@code e^(scale · score − max)}; returns their sum. */
    static float exponentials(float[] scores, int at, int count, float scale, float max) {
        FloatVector sum = FloatVector.zero(SPECIES);
        for (int i = at; i < at + count; i += LANES) {
            FloatVector p = VectorMath.exp(VectorMath.load(scores, i).mul(scale).sub(max));
            p.intoArray(scores, i);
            sum = sum.add(p);
        }
        return sumOfLanes(sum);
    }

    private static float sumOfLanes(FloatVector vector) {
        float[] lanes = LANE_VALUES.get();
        vector.intoArray(lanes, 0);
        float sum = 0f;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    /** {@code Σ a · b}. */
    static float dot(float[] a, float[] b, int count) {
        FloatVector sum = FloatVector.zero(SPECIES);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            sum = VectorMath.load(a, i).fma(VectorMath.load(b, i), sum);
        }
        float total = sumOfLanes(sum);
        for (; i < count; i++) {
            total = Math.fma(a[i], b[i], total);
        }
        return total;
    }

    static void multiply(float[] values, int at, int count, float factor) {
        for (int i = at; i < at + count; i += LANES) {
            VectorMath.load(values, i).mul(factor).intoArray(values, i);
        }
    }

    /**
     * One key's row of the transposed tile: scores become probabilities {@code p = e^(score − logSumExp)}, and their
     * gradients {@code dP} become {@code dS = p · (dP − delta) · scale}, times the slope of the cap.
     */
    static void gradients(
            float[] scores,
            float[] gradients,
            int at,
            int count,
            float[] logSumExp,
            float[] delta,
            float scale,
            float softCap) {
        int end = SPECIES.loopBound(count);
        for (int i = 0; i < end; i += LANES) {
            FloatVector x = VectorMath.load(scores, at + i).mul(scale);
            FloatVector slope = FloatVector.broadcast(SPECIES, scale);
            if (softCap != 0f) {
                FloatVector t = VectorMath.tanh(x.div(softCap));
                slope = slope.sub(t.mul(t).mul(scale));
                x = t.mul(softCap);
            }
            FloatVector p = VectorMath.exp(x.sub(VectorMath.load(logSumExp, i)));
            p.intoArray(scores, at + i);
            VectorMath.load(gradients, at + i)
                    .sub(VectorMath.load(delta, i))
                    .mul(p)
                    .mul(slope)
                    .intoArray(gradients, at + i);
        }
        for (int i = end; i < count; i++) {
            gradient(scores, gradients, at + i, logSumExp[i], delta[i], scale, softCap);
        }
    }

    private static void gradient(
            float[] scores, float[] gradients, int at, float logSumExp, float delta, float scale, float softCap) {
        float x = scores[at] * scale;
        float slope = scale;
        if (softCap != 0f) {
            float t = VectorMath.tanh(x / softCap);
            slope = scale - t * t * scale;
            x = t * softCap;
        }
        float p = VectorMath.exp(x - logSumExp);
        scores[at] = p;
        gradients[at] = (gradients[at] - delta) * p * slope;
    }
}
