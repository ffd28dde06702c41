// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.PreferenceLoss;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.PairChecks;

/**
 * Losses of pairs, one after another: a few numbers a pair beside the vocabulary's for each of its tokens. {@code StrictMath},
 * since {@code Math} rounds differently before and after compilation.
 */
final class CpuPreferenceLoss implements PreferenceLoss {

    @Override
    public void dpo(
            Tensor policy,
            Tensor reference,
            Tensor starts,
            Dpo settings,
            float gradientScale,
            Tensor gradients,
            Tensor numbers,
            Tensor sums) {
        int pairs = PairChecks.pairs(policy, reference, starts, gradients, numbers, sums);
        int[] bounds = new int[2 * pairs + 1];
        Native.load(starts.address(), bounds, 0, bounds.length);
        double[] totals = new double[NUMBERS];
        for (int pair = 0; pair < pairs; pair++) {
            int from = bounds[2 * pair];
            int middle = bounds[2 * pair + 1];
            int to = bounds[2 * pair + 2];
            double chosen = -sum(policy, from, middle);
            double rejected = -sum(policy, middle, to);
            double chosenReward = settings.beta() * (chosen + sum(reference, from, middle));
            double rejectedReward = settings.beta() * (rejected + sum(reference, middle, to));
            double margin = chosenReward - rejectedReward;
            double[] own = {
                loss(margin, settings.labelSmoothing()),
                chosenReward,
                rejectedReward,
                chosenReward > rejectedReward ? 1 : 0,
                margin,
                chosen,
                rejected
            };
            for (int i = 0; i < NUMBERS; i++) {
                Native.putDouble(numbers.address(pair) + (long) i * Double.BYTES, own[i]);
                totals[i] += own[i];
            }
            // the policy's log-probability is less the sum of its rows
            double slope = settings.beta() * gradientScale * -slope(margin, settings.labelSmoothing());
            fill(gradients, from, middle, (float) slope);
            fill(gradients, middle, to, (float) -slope);
        }
        for (int i = 0; i < NUMBERS; i++) {
            long at = sums.address() + (long) i * Double.BYTES;
            Native.putDouble(at, Native.getDouble(at) + totals[i]);
        }
    }

    private static double sum(Tensor vector, int from, int to) {
        double sum = 0;
        for (int i = from; i < to; i++) {
            sum += Native.getFloat(vector.address() + (long) i * Float.BYTES);
        }
        return sum;
    }

    private static void fill(Tensor vector, int from, int to, float value) {
        for (int i = from; i < to; i++) {
            Native.putFloat(vector.address() + (long) i * Float.BYTES, value);
        }
    }

    private static double loss(double margin, double smoothing) {
        // zero times an endless logarithm is no number
        double flipped = smoothing == 0 ? 0 : smoothing * logSigmoid(-margin);
        return -(1 - smoothing) * logSigmoid(margin) - flipped;
    }

    private static double logSigmoid(double x) {
        return Math.min(x, 0) - StrictMath.log1p(StrictMath.exp(-Math.abs(x)));
    }

    /** d loss / d margin. */
    private static double slope(double margin, double smoothing) {
        return -(1 - smoothing) * sigmoid(-margin) + smoothing * sigmoid(margin);
    }

    private static double sigmoid(double x) {
        double small = StrictMath.exp(-Math.abs(x));
        return (x < 0 ? small : 1) / (1 + small);
    }
}
