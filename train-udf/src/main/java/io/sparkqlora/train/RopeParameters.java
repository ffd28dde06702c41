// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * Rotary embedding settings, with the names of a checkpoint's {@code rope_parameters}. Values that the type does not use are
 * 0.
 *
 * @param ropeType {@code default}, {@code linear} or {@code llama3}
 * @param theta base of the frequencies: {@code theta^(−2i / headDim)}
 * @param factor {@code linear}, {@code llama3}: what frequencies are divided by
 * @param lowFreqFactor {@code llama3}: wavelengths over {@code originalMaxPositionEmbeddings / lowFreqFactor} are scaled
 * @param highFreqFactor {@code llama3}: wavelengths under {@code originalMaxPositionEmbeddings / highFreqFactor} are kept
 * @param originalMaxPositionEmbeddings {@code llama3}: context length of the model's pretraining
 */
public record RopeParameters(
        String ropeType,
        double theta,
        double factor,
        double lowFreqFactor,
        double highFreqFactor,
        int originalMaxPositionEmbeddings) {

    /** Type of an embedding without scaling. */
    public static final String DEFAULT = "default";

    /** Type that divides every frequency by the factor. */
    public static final String LINEAR = "linear";

    /** Type that divides low frequencies only (Llama 3.1). */
    public static final String LLAMA3 = "llama3";

    /** An embedding without scaling. */
    public static RopeParameters unscaled(double theta) {
        return new RopeParameters(DEFAULT, theta, 0, 0, 0, 0);
    }

    /** Llama 3.1's scaling. */
    public static RopeParameters llama3(double theta, double factor, double low, double high, int originalMax) {
        return new RopeParameters(LLAMA3, theta, factor, low, high, originalMax);
    }
}
