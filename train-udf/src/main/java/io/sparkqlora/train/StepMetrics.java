// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * What an optimizer step reports.
 *
 * @param step steps done, this one included
 * @param loss mean cross-entropy of the counted tokens, in nats, before the update; of pairs their mean loss
 * @param learningRate of this step
 * @param gradNorm 2-norm of all adapter gradients before clipping
 * @param numTokens tokens that went through the model
 * @param numTargetTokens counted tokens
 * @param seconds wall-clock time
 * @param preference of a step over pairs; null of others
 * @param lossScale factor on the loss in backward; null where nothing is scaled, which is everywhere but in float16. A step that it
 *     was too large for has a norm that is not finite, and updated nothing
 */
public record StepMetrics(
        long step,
        double loss,
        double learningRate,
        double gradNorm,
        long numTokens,
        long numTargetTokens,
        double seconds,
        PreferenceMetrics preference,
        Double lossScale) {

    /** Of a step that is not over pairs, and whose loss was not scaled. */
    public StepMetrics(
            long step,
            double loss,
            double learningRate,
            double gradNorm,
            long numTokens,
            long numTargetTokens,
            double seconds) {
        this(step, loss, learningRate, gradNorm, numTokens, numTargetTokens, seconds, null, null);
    }
}
