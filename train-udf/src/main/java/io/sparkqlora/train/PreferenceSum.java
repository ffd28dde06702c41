// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.PreferenceLoss;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * Sums over pairs, so that parts add up.
 *
 * @param numbers of the loss, then of {@link PreferenceMetrics}' components
 * @param pairs how many
 */
public record PreferenceSum(List<Double> numbers, long pairs) {

    /** No pair yet. */
    public static final PreferenceSum ZERO = new PreferenceSum(Collections.nCopies(PreferenceLoss.NUMBERS, 0.0), 0);

    public PreferenceSum {
        numbers = List.copyOf(numbers);
    }

    /** Both parts together. */
    public PreferenceSum plus(PreferenceSum other) {
        List<Double> sums = new ArrayList<>();
        for (int i = 0; i < numbers.size(); i++) {
            sums.add(numbers.get(i) + other.numbers.get(i));
        }
        return new PreferenceSum(sums, pairs + other.pairs);
    }

    /** The mean loss; NaN without a pair. */
    public double loss() {
        return mean(0);
    }

    /** The means of everything else. */
    public PreferenceMetrics metrics() {
        List<Double> means = new ArrayList<>();
        for (int i = 1; i < numbers.size(); i++) {
            means.add(mean(i));
        }
        return PreferenceMetrics.of(means);
    }

    private double mean(int number) {
        return pairs == 0 ? Double.NaN : numbers.get(number) / pairs;
    }
}
