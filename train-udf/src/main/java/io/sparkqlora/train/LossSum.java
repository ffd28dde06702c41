// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

/**
 * A sum of losses, so that parts add up exactly.
 *
 * @param sum of the cross-entropies of the counted tokens, in nats
 * @param numTargetTokens how many were counted
 */
public record LossSum(double sum, long numTargetTokens) {

    /** Nothing counted yet. */
    public static final LossSum ZERO = new LossSum(0, 0);

    /** Both parts together. */
    public LossSum plus(LossSum other) {
        return new LossSum(sum + other.sum, numTargetTokens + other.numTargetTokens);
    }

    /** The mean loss; NaN if nothing was counted. */
    public double mean() {
        return numTargetTokens == 0 ? Double.NaN : sum / numTargetTokens;
    }

    /** {@code exp} of the mean loss. */
    public double perplexity() {
        return Math.exp(mean());
    }
}
