// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.List;

/**
 * What TRL's {@code DPOTrainer} logs, under its names, as means over pairs. The reward of a sequence is beta times by how much the
 * adapter makes it likelier than the base does, in nats.
 *
 * @param rewardsChosen of chosen sequences
 * @param rewardsRejected of rejected ones
 * @param rewardsAccuracies how often the chosen one has the higher reward
 * @param rewardsMargins the chosen one's reward less the rejected one's
 * @param logpsChosen log-probability of a chosen sequence with the adapter
 * @param logpsRejected of a rejected one
 */
public record PreferenceMetrics(
        double rewardsChosen,
        double rewardsRejected,
        double rewardsAccuracies,
        double rewardsMargins,
        double logpsChosen,
        double logpsRejected) {

    /** How many numbers these are. */
    public static final int COUNT = 6;

    /** Of their values, in the order of the components. */
    public static PreferenceMetrics of(List<Double> values) {
        return new PreferenceMetrics(
                values.get(0), values.get(1), values.get(2), values.get(3), values.get(4), values.get(5));
    }

    /** The values, in the order of the components. */
    public List<Double> values() {
        return List.of(rewardsChosen, rewardsRejected, rewardsAccuracies, rewardsMargins, logpsChosen, logpsRejected);
    }
}
