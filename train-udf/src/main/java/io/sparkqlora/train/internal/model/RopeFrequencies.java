// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.RopeParameters;
import io.sparkqlora.train.TrainErrors;

/**
 * How fast each pair of elements turns: {@code theta^(−2i / rotaryDim)} with the scaling of the type, in the arithmetic of
 * transformers 5.18 ({@code modeling_rope_utils}), which is F32 but for what it computes in Python's numbers.
 *
 * @param rope the type and its numbers
 * @param rotaryDim elements of a head that turn
 */
record RopeFrequencies(RopeParameters rope, int rotaryDim) {

    /**
     * The frequencies of short sequences.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT for a type that is not supported
     */
    float[] inverse() {
        return switch (rope.ropeType()) {
            case RopeParameters.DEFAULT -> each((i, power) -> 1f / power);
            case RopeParameters.LINEAR -> each((i, power) -> (float) (1f / power / rope.factor()));
            case RopeParameters.LLAMA3 -> each((i, power) -> llama3(1f / power));
            case RopeParameters.YARN -> yarn();
            case RopeParameters.LONGROPE -> each(
                    (i, power) -> 1f / (rope.divisors().shortFactor().get(i).floatValue() * power));
            default -> throw TrainErrors.unsupportedRope(rope.ropeType());
        };
    }

    /** With {@code longrope}, those of sequences over the original context. */
    float[] inverseLong() {
        return each((i, power) -> 1f / (rope.divisors().longFactor().get(i).floatValue() * power));
    }

    /** Of frequency {@code i}, from {@code theta^(2i / rotaryDim)}. */
    private interface Frequency {
        float of(int i, float power);
    }

    private float[] each(Frequency frequency) {
        float[] out = new float[rotaryDim / 2];
        for (int i = 0; i < out.length; i++) {
            float exponent = (float) (2 * i) / rotaryDim;
            out[i] = frequency.of(i, (float) StrictMath.pow(rope.theta(), exponent));
        }
        return out;
    }

    /** Llama 3.1: long waves are slowed down by the factor, short ones stay, those between are interpolated. */
    private float llama3(float plain) {
        double wavelength = 2 * Math.PI / plain;
        double original = rope.originalMaxPositionEmbeddings();
        if (wavelength > original / rope.lowFreqFactor()) {
            return (float) (plain / rope.factor());
        }
        if (wavelength < original / rope.highFreqFactor()) {
            return plain;
        }
        double smooth = (original / wavelength - rope.lowFreqFactor()) / (rope.highFreqFactor() - rope.lowFreqFactor());
        return (float) ((1 - smooth) * plain / rope.factor() + smooth * plain);
    }

    /** YaRN: from the ramp's end on waves are slowed down by the factor, up to its beginning they stay. */
    private float[] yarn() {
        double low = dimension(rope.yarn().betaFast());
        double high = dimension(rope.yarn().betaSlow());
        if (rope.yarn().truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        double begin = Math.max(low, 0);
        double end = Math.min(high, rotaryDim - 1);
        double width = begin == end ? 0.001 : end - begin;
        return each((i, power) -> {
            float ramp = Math.max(0f, Math.min(1f, (i - (float) begin) / (float) width));
            float kept = 1f - ramp;
            return 1f / ((float) rope.factor() * power) * (1f - kept) + 1f / power * kept;
        });
    }

    /** The frequency, as a real number, whose wave turns so often within the original context. */
    private double dimension(double rotations) {
        double wavelength = rope.originalMaxPositionEmbeddings() / (rotations * 2 * Math.PI);
        return rotaryDim * StrictMath.log(wavelength) / (2 * StrictMath.log(rope.theta()));
    }
}
