// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.train.PreferenceMetrics;

/**
 * Losses of base and adapter over a data set: of counted tokens, or of pairs of answers, of which the base's is ln 2.
 *
 * @param adapterId run_id@step
 * @param dataset the source
 * @param datasetId its rows in token_shards
 * @param loss mean cross-entropy of the counted tokens with the adapter, in nats
 * @param baseLoss the same without the adapter
 * @param numRows packed rows
 * @param numTargetTokens counted tokens
 * @param numPairs of preferences: pairs; else 0
 * @param preference what is told of pairs; null of rows that are none, whose losses are cross-entropies
 */
public record Evaluation(
        String adapterId,
        String dataset,
        String datasetId,
        double loss,
        double baseLoss,
        long numRows,
        long numTargetTokens,
        long numPairs,
        PreferenceMetrics preference) {

    /** {@code exp} of the loss. */
    public double perplexity() {
        return Math.exp(loss);
    }

    /** {@code exp} of the base's loss. */
    public double basePerplexity() {
        return Math.exp(baseLoss);
    }
}
