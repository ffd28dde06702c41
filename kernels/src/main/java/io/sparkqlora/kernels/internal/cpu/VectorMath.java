// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Elementary functions on {@code float[]}, within 2 units in the last place. The Vector API's own (EXP, TANH…) give other
 * bits in the interpreter than in compiled code, and {@code Math}'s may differ between JVMs; these are polynomials of
 * multiplications, additions and fused multiply-adds only, the vector form and the scalar form of a function doing the same
 * operations in the same order, so an element's result does not depend on where in the array it stands.
 *
 * <p>Polynomials: interpolation at Chebyshev nodes of the function less its first Taylor terms.
 */
final class VectorMath {

    static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    static final int LANES = SPECIES.length();

    private static final float LOG2_E = 0x1.715476p+0f;
    /** ln 2 in two parts, the first with so few bits that its products with exponents are exact. */
    private static final float LN2_HIGH = 0x1.62ep-1f;

    private static final float LN2_LOW = 0x1.0bfbe8p-15f;
    /** Adding it rounds to an integer, which then stands in the low bits. */
    private static final float ROUND = 0x1.8p23f;

    private static final float EXP_MAX = 89f;
    /** Where results get denormal, which costs the processor a hundred times as much: below, the result is 0. */
    private static final float EXP_MIN = -87f;

    private static final float E0 = 0.5f;
    private static final float E1 = 0x1.5554d8p-3f;
    private static final float E2 = 0x1.555516p-5f;
    private static final float E3 = 0x1.12106cp-7f;
    private static final float E4 = 0x1.6d1606p-10f;

    private static final float TANH_SMALL = 0.625f;
    private static final float TANH_MAX = 10f;
    private static final float T0 = -0x1.555556p-2f;
    private static final float T1 = 0x1.1110e8p-3f;
    private static final float T2 = -0x1.ba088ep-5f;
    private static final float T3 = 0x1.64a5eep-6f;
    private static final float T4 = -0x1.1152f6p-7f;
    private static final float T5 = 0x1.2c1b1cp-9f;

    private static final int SQRT_HALF_BITS = 0x3f3504f3;
    private static final float TWO_23 = 0x1p23f;
    private static final float L0 = 0x1.555554p-2f;
    private static final float L1 = -0x1.fffffcp-3f;
    private static final float L2 = 0x1.999d5ap-3f;
    private static final float L3 = -0x1.555b4ap-3f;
    private static final float L4 = 0x1.23d21ap-3f;
    private static final float L5 = -0x1.fcf4c6p-4f;
    private static final float L6 = 0x1.dea282p-4f;
    private static final float L7 = -0x1.d635bcp-4f;
    private static final float L8 = 0x1.1d8ea6p-4f;

    private VectorMath() {}

    static FloatVector load(float[] in, int at) {
        return FloatVector.fromArray(SPECIES, in, at);
    }

    /** {@code out[outAt + i] = e^in[inAt + i]}; {@code out} may be {@code in} at the same place. Likewise below. */
    static void exp(float[] in, int inAt, float[] out, int outAt, int count) {
        expOfDifference(in, inAt, 0f, out, outAt, count);
    }

    /**
     * {@code out[outAt + i] = e^(in[inAt + i] − subtrahend)}. The steps of {@link #exp(FloatVector)} are written out here: once
     * that method has been compiled by itself it is too big to be inlined, and each call then allocates its vectors, which
     * makes it ten times slower. Hot loops call this.
     */
    static void expOfDifference(float[] in, int inAt, float subtrahend, float[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            FloatVector x = FloatVector.fromArray(SPECIES, in, inAt + i).sub(subtrahend);
            FloatVector bounded = x.min(EXP_MAX).max(EXP_MIN);
            FloatVector shifted =
                    bounded.fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUND));
            FloatVector n = shifted.sub(ROUND);
            FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), bounded);
            r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
            FloatVector p = r.fma(FloatVector.broadcast(SPECIES, E4), FloatVector.broadcast(SPECIES, E3));
            p = p.fma(r, FloatVector.broadcast(SPECIES, E2));
            p = p.fma(r, FloatVector.broadcast(SPECIES, E1));
            p = p.fma(r, FloatVector.broadcast(SPECIES, E0));
            FloatVector y = p.fma(r.mul(r), r).add(1f);
            IntVector exponent = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(ROUND));
            IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
            IntVector rest = exponent.sub(half);
            y = y.mul(half.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
            y = y.mul(rest.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
            y.intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = exp(in[inAt + i] - subtrahend);
        }
    }

    /** {@code 1 / (1 + e^−x)}. */
    static void sigmoid(float[] in, int inAt, float[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            sigmoid(load(in, inAt + i)).intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = sigmoid(in[inAt + i]);
        }
    }

    /** Hyperbolic tangent. */
    static void tanh(float[] in, int inAt, float[] out, int outAt, int count) {
        int i = 0;
        for (; i <= count - LANES; i += LANES) {
            tanh(load(in, inAt + i)).intoArray(out, outAt + i);
        }
        for (; i < count; i++) {
            out[outAt + i] = tanh(in[inAt + i]);
        }
    }

    /** Natural logarithm. */
    static void log(float[] in, int inAt, float[] out, int outAt, int count) {
        for (int i = 0; i < count; i++) {
            out[outAt + i] = log(in[inAt + i]);
        }
    }

    /**
     * {@code 2^n · (1 + r + r² · p(r))} with {@code n = round(x / ln 2)}, the power in two steps to reach the largest
     * numbers; 0 below {@value #EXP_MIN}.
     */
    static FloatVector exp(FloatVector x) {
        // min and max keep not-a-number
        FloatVector bounded = x.min(EXP_MAX).max(EXP_MIN);
        FloatVector shifted =
                bounded.fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUND));
        FloatVector n = shifted.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(SPECIES, E4), FloatVector.broadcast(SPECIES, E3));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E2));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E1));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E0));
        FloatVector y = p.fma(r.mul(r), r).add(1f);
        IntVector exponent = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(ROUND));
        IntVector half = exponent.lanewise(VectorOperators.ASHR, 1);
        FloatVector result = y.mul(powerOfTwo(half)).mul(powerOfTwo(exponent.sub(half)));
        return result.blend(0f, x.compare(VectorOperators.LT, EXP_MIN));
    }

    /**
     * The same bits as {@link #exp(FloatVector)} for x up to 88, in a third less time; nonsense above. Written out again:
     * the JIT compiler stops inlining, and so makes an object of every vector, where calls nest too deep.
     */
    static FloatVector expBelow88(FloatVector x) {
        FloatVector bounded = x.max(EXP_MIN);
        FloatVector shifted =
                bounded.fma(FloatVector.broadcast(SPECIES, LOG2_E), FloatVector.broadcast(SPECIES, ROUND));
        FloatVector n = shifted.sub(ROUND);
        FloatVector r = n.fma(FloatVector.broadcast(SPECIES, -LN2_HIGH), bounded);
        r = n.fma(FloatVector.broadcast(SPECIES, -LN2_LOW), r);
        FloatVector p = r.fma(FloatVector.broadcast(SPECIES, E4), FloatVector.broadcast(SPECIES, E3));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E2));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E1));
        p = p.fma(r, FloatVector.broadcast(SPECIES, E0));
        FloatVector y = p.fma(r.mul(r), r).add(1f);
        IntVector exponent = shifted.reinterpretAsInts().sub(Float.floatToRawIntBits(ROUND));
        return y.mul(powerOfTwo(exponent)).blend(0f, x.compare(VectorOperators.LT, EXP_MIN));
    }

    private static FloatVector powerOfTwo(IntVector exponent) {
        return exponent.add(127).lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats();
    }

    static float exp(float x) {
        if (x < EXP_MIN) {
            return 0f;
        }
        float bounded = Math.max(Math.min(x, EXP_MAX), EXP_MIN);
        float shifted = Math.fma(bounded, LOG2_E, ROUND);
        float n = shifted - ROUND;
        float r = Math.fma(n, -LN2_LOW, Math.fma(n, -LN2_HIGH, bounded));
        float p = Math.fma(Math.fma(Math.fma(Math.fma(r, E4, E3), r, E2), r, E1), r, E0);
        float y = Math.fma(p, r * r, r) + 1f;
        int exponent = Float.floatToRawIntBits(shifted) - Float.floatToRawIntBits(ROUND);
        int half = exponent >> 1;
        return y * powerOfTwo(half) * powerOfTwo(exponent - half);
    }

    private static float powerOfTwo(int exponent) {
        return Float.intBitsToFloat((exponent + 127) << 23);
    }

    /** With {@code e = e^−|x|}: {@code 1 / (1 + e)} for positive x, {@code e / (1 + e)} for the others. */
    static FloatVector sigmoid(FloatVector x) {
        FloatVector e = expBelow88(x.abs().neg());
        FloatVector numerator = e.blend(1f, x.compare(VectorOperators.GE, 0f));
        return numerator.div(e.add(1f));
    }

    static float sigmoid(float x) {
        float e = exp(-Math.abs(x));
        return (x >= 0f ? 1f : e) / (e + 1f);
    }

    /** {@code x + x³ · p(x²)} near zero, {@code 1 − 2 / (e^2|x| + 1)} with the sign of x elsewhere. */
    static FloatVector tanh(FloatVector x) {
        FloatVector magnitude = x.abs();
        FloatVector z = x.mul(x);
        FloatVector p = z.fma(FloatVector.broadcast(SPECIES, T5), FloatVector.broadcast(SPECIES, T4));
        p = p.fma(z, FloatVector.broadcast(SPECIES, T3));
        p = p.fma(z, FloatVector.broadcast(SPECIES, T2));
        p = p.fma(z, FloatVector.broadcast(SPECIES, T1));
        p = p.fma(z, FloatVector.broadcast(SPECIES, T0));
        FloatVector small = p.fma(z.mul(x), x);
        FloatVector e = expBelow88(magnitude.min(TANH_MAX).mul(2f));
        FloatVector large =
                FloatVector.broadcast(SPECIES, 2f).div(e.add(1f)).neg().add(1f);
        VectorMask<Float> negative = x.compare(VectorOperators.LT, 0f);
        return large.blend(large.neg(), negative).blend(small, magnitude.compare(VectorOperators.LT, TANH_SMALL));
    }

    static float tanh(float x) {
        float magnitude = Math.abs(x);
        if (magnitude < TANH_SMALL) {
            float z = x * x;
            float p = Math.fma(Math.fma(Math.fma(z, T5, T4), z, T3), z, T2);
            return Math.fma(Math.fma(Math.fma(p, z, T1), z, T0), z * x, x);
        }
        float large = 1f - 2f / (exp(Math.min(magnitude, TANH_MAX) * 2f) + 1f);
        return x < 0f ? -large : large;
    }

    /** {@code k · ln 2 + log(1 + f)} with {@code 1 + f} between √½ and √2. One a row, so it has no vector form. */
    static float log(float x) {
        if (!(x > 0f) || x == Float.POSITIVE_INFINITY) {
            return x == 0f ? Float.NEGATIVE_INFINITY : x > 0f ? x : Float.NaN;
        }
        boolean denormal = x < Float.MIN_NORMAL;
        int bits = Float.floatToRawIntBits(denormal ? x * TWO_23 : x);
        int k = (bits - SQRT_HALF_BITS) >> 23;
        float f = Float.intBitsToFloat(bits - (k << 23)) - 1f;
        float n = denormal ? k - 23 : k;
        float p = Math.fma(Math.fma(Math.fma(Math.fma(L8, f, L7), f, L6), f, L5), f, L4);
        p = Math.fma(Math.fma(Math.fma(Math.fma(p, f, L3), f, L2), f, L1), f, L0);
        float tail = Math.fma(p, f * f * f, Math.fma(n, LN2_LOW, -0.5f * f * f));
        return Math.fma(n, LN2_HIGH, f + tail);
    }
}
