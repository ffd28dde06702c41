// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.run;

import io.sparkqlora.train.Collective;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceMetrics;
import io.sparkqlora.train.PreferenceSum;
import io.sparkqlora.train.TrainingSession;
import java.util.List;

/**
 * What was measured of an adapter over rows: sums over counted tokens, or over pairs.
 *
 * @param tokens of the tokens of rows that are no pairs
 * @param pairs of pairs
 * @param pairTokens counted tokens of pairs
 */
public record Measured(LossSum tokens, PreferenceSum pairs, long pairTokens) {

    /** Nothing yet. */
    public static final Measured NOTHING = new Measured(LossSum.ZERO, PreferenceSum.ZERO, 0);

    /** The same with more rows, which are pairs where the session was opened for pairs. */
    public Measured with(TrainingSession session, List<PackedRow> rows) {
        return session.learnsFromPairs()
                ? new Measured(tokens, pairs.plus(session.evaluatePairs(rows)), pairTokens + targets(rows))
                : new Measured(tokens.plus(session.evaluate(rows, true)), pairs, 0);
    }

    /** The same with more rows of all ranks, which have a base in parts between them; they are no pairs. */
    Measured with(TrainingSession session, List<PackedRow> rows, Collective collective) {
        return new Measured(tokens.plus(session.evaluate(rows, true, collective)), pairs, 0);
    }

    private static long targets(List<PackedRow> rows) {
        return rows.stream().mapToLong(PackedRow::numTargetTokens).sum();
    }

    /** The mean loss. */
    public double loss() {
        return pairs.pairs() > 0 ? pairs.loss() : tokens.mean();
    }

    /** Counted tokens. */
    public long numTargetTokens() {
        return tokens.numTargetTokens() + pairTokens;
    }

    /** What else is told of pairs; null where there were none. */
    public PreferenceMetrics preference() {
        return pairs.pairs() > 0 ? pairs.metrics() : null;
    }
}
