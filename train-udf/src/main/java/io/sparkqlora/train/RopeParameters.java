// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.List;

/**
 * Rotary embedding settings, with the names of a checkpoint's {@code rope_parameters}. Values that the type does not use are
 * 0 or null.
 *
 * @param ropeType {@code default}, {@code linear}, {@code llama3}, {@code yarn} or {@code longrope}
 * @param theta base of the frequencies: {@code theta^(−2i / headDim)}
 * @param factor {@code linear}, {@code llama3}, {@code yarn}: what frequencies are divided by
 * @param lowFreqFactor {@code llama3}: wavelengths over {@code originalMaxPositionEmbeddings / lowFreqFactor} are scaled
 * @param highFreqFactor {@code llama3}: wavelengths under {@code originalMaxPositionEmbeddings / highFreqFactor} are kept
 * @param originalMaxPositionEmbeddings {@code llama3}, {@code yarn}, {@code longrope}: context length of the model's pretraining
 * @param attentionFactor what cosines and sines are multiplied by; 1 but for {@code yarn} and {@code longrope}
 * @param yarn of {@code yarn}
 * @param divisors of {@code longrope}
 */
public record RopeParameters(
        String ropeType,
        double theta,
        double factor,
        double lowFreqFactor,
        double highFreqFactor,
        int originalMaxPositionEmbeddings,
        double attentionFactor,
        Yarn yarn,
        LongRope divisors) {

    /** Type of an embedding without scaling. */
    public static final String DEFAULT = "default";

    /** Type that divides every frequency by the factor. */
    public static final String LINEAR = "linear";

    /** Type that divides low frequencies only (Llama 3.1). */
    public static final String LLAMA3 = "llama3";

    /** Type that divides low frequencies, with a ramp to those that stay (YaRN). */
    public static final String YARN = "yarn";

    /** Type that divides each frequency by a number of its own, another one in long sequences (LongRoPE, Phi 3). */
    public static final String LONGROPE = "longrope";

    /**
     * Where YaRN's ramp lies (Peng and others, 2023, section 3.2).
     *
     * @param betaFast waves that turn so often within the original context, or more, stay
     * @param betaSlow those that turn so often, or less, are divided by the factor
     * @param truncate whether the ramp's ends are moved outwards to whole dimensions
     */
    public record Yarn(double betaFast, double betaSlow, boolean truncate) {}

    /**
     * LongRoPE's divisors, one for each frequency (Ding and others, 2024).
     *
     * @param shortFactor of sequences up to the original context
     * @param longFactor of longer ones
     */
    public record LongRope(List<Double> shortFactor, List<Double> longFactor) {

        public LongRope {
            shortFactor = List.copyOf(shortFactor);
            longFactor = List.copyOf(longFactor);
        }
    }

    /** Of a type that multiplies nothing. */
    public RopeParameters(
            String ropeType,
            double theta,
            double factor,
            double lowFreqFactor,
            double highFreqFactor,
            int originalMax) {
        this(ropeType, theta, factor, lowFreqFactor, highFreqFactor, originalMax, 1, null, null);
    }

    /** An embedding without scaling. */
    public static RopeParameters unscaled(double theta) {
        return new RopeParameters(DEFAULT, theta, 0, 0, 0, 0);
    }

    /** Llama 3.1's scaling. */
    public static RopeParameters llama3(double theta, double factor, double low, double high, int originalMax) {
        return new RopeParameters(LLAMA3, theta, factor, low, high, originalMax);
    }

    /** YaRN's. */
    public static RopeParameters yarn(double theta, double factor, int originalMax, double attentionFactor, Yarn yarn) {
        return new RopeParameters(YARN, theta, factor, 0, 0, originalMax, attentionFactor, yarn, null);
    }

    /** LongRoPE's. */
    public static RopeParameters longRope(double theta, int originalMax, double attentionFactor, LongRope factors) {
        return new RopeParameters(LONGROPE, theta, 0, 0, 0, originalMax, attentionFactor, null, factors);
    }

    /** Tokens of the longest sequence that is turned as short ones are: with {@code longrope}, the original context. */
    public int longestShort() {
        return divisors == null ? Integer.MAX_VALUE : originalMaxPositionEmbeddings;
    }
}
