// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static io.sparkqlora.kernels.internal.cpu.VectorMath.LANES;
import static io.sparkqlora.kernels.internal.cpu.VectorMath.SPECIES;

import jdk.incubator.vector.FloatVector;

/**
 * The elementwise parts of attention on rows of scores. Lengths are multiples of the vector length but for {@link #dot}.
 * Sums run lane by lane and then over the lanes in order, so they are the same in every JIT tier; {@code lanes} is working
 * memory of {@link VectorMath#LANES} elements.
 */
final class SoftmaxRows {

    private SoftmaxRows() {}

    /** {@code score ← softCap · tanh(scale · score / softCap)}. */
    static void cap(float[] scores, int at, int count, float scale, float softCap) {
        for (int i = at; i < at + count; i += LANES) {
            FloatVector x = VectorMath.load(scores, i).mul(scale).div(softCap);
            VectorMath.tanh(x).mul(softCap).intoArray(scores, i);
        }
    }

    static float max(float[] values, int at, int count, float[] lanes) {
        FloatVector max = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
        for (int i = at; i < at + count; i += LANES) {
            max = max.max(VectorMath.load(values, i));
        }
        max.intoArray(lanes, 0);
        float highest = lanes[0];
        for (float lane : lanes) {
            highest = Math.max(highest, lane);
        }
        return highest;
    }

    /** Replaces scores by {@code e^(scale · score − max)}; returns their sum. */
    static float exponentials(float[] scores, int at, int count, float scale, float max, float[] lanes) {
        FloatVector sum = FloatVector.zero(SPECIES);
        for (int i = at; i < at + count; i += LANES) {
            FloatVector p =
                    VectorMath.expBelow88(VectorMath.load(scores, i).mul(scale).sub(max));
            p.intoArray(scores, i);
            sum = sum.add(p);
        }
        sum.intoArray(lanes, 0);
        return sum(lanes);
    }

    /** Over an array and not a vector: a call that the JIT compiler doesn't inline would make an object of the vector. */
    private static float sum(float[] lanes) {
        float sum = 0f;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    /** {@code Σ a · b}. */
    static float dot(float[] a, float[] b, int count, float[] lanes) {
        FloatVector sum = FloatVector.zero(SPECIES);
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            sum = VectorMath.load(a, i).fma(VectorMath.load(b, i), sum);
        }
        sum.intoArray(lanes, 0);
        float total = sum(lanes);
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
     * A transposed tile, {@code count} queries a key: scores become probabilities {@code p = e^(score − logSumExp)}, and their
     * gradients {@code dP} become {@code dS = p · (dP − delta) · scale}. What comes out for a query that doesn't see the key
     * is nonsense; the caller overwrites it. The tile is done in one call so that the JIT compiler compiles this loop for
     * itself, and not as a part of its caller where it runs out of budget for inlining.
     */
    static void gradients(float[] scores, float[] gradients, int count, float[] logSumExp, float[] delta, float scale) {
        int end = SPECIES.loopBound(count);
        for (int at = 0; at < AttentionTiles.KEYS * count; at += count) {
            for (int i = 0; i < end; i += LANES) {
                FloatVector x = VectorMath.load(scores, at + i).mul(scale);
                FloatVector p = VectorMath.expBelow88(x.sub(VectorMath.load(logSumExp, i)));
                FloatVector ds = VectorMath.load(gradients, at + i).sub(VectorMath.load(delta, i));
                p.intoArray(scores, at + i);
                ds.mul(p).mul(scale).intoArray(gradients, at + i);
            }
            for (int i = end; i < count; i++) {
                gradient(scores, gradients, at + i, logSumExp[i], delta[i], scale, 0f);
            }
        }
    }

    /** The same with a cap on the scores, whose slope {@code 1 − tanh²} multiplies {@code dS}. */
    static void cappedGradients(
            float[] scores,
            float[] gradients,
            int count,
            float[] logSumExp,
            float[] delta,
            float scale,
            float softCap) {
        int end = SPECIES.loopBound(count);
        for (int at = 0; at < AttentionTiles.KEYS * count; at += count) {
            for (int i = 0; i < end; i += LANES) {
                FloatVector t = VectorMath.tanh(
                        VectorMath.load(scores, at + i).mul(scale).div(softCap));
                FloatVector slope = t.mul(t).neg().add(1f).mul(scale);
                FloatVector x = t.mul(softCap).sub(VectorMath.load(logSumExp, i));
                FloatVector p = VectorMath.expBelow88(x);
                FloatVector ds = VectorMath.load(gradients, at + i).sub(VectorMath.load(delta, i));
                p.intoArray(scores, at + i);
                ds.mul(p).mul(slope).intoArray(gradients, at + i);
            }
            for (int i = end; i < count; i++) {
                gradient(scores, gradients, at + i, logSumExp[i], delta[i], scale, softCap);
            }
        }
    }

    private static void gradient(
            float[] scores, float[] gradients, int at, float logSumExp, float delta, float scale, float softCap) {
        float x = scores[at] * scale;
        float slope = scale;
        if (softCap != 0f) {
            float t = VectorMath.tanh(x / softCap);
            slope = (1f - t * t) * scale;
            x = t * softCap;
        }
        float p = VectorMath.exp(x - logSumExp);
        scores[at] = p;
        gradients[at] = (gradients[at] - delta) * p * slope;
    }
}
