// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.generate;

import io.sparkqlora.train.GenerationConfig;
import io.sparkqlora.train.TrainErrors;
import java.util.Arrays;

/**
 * Chooses a token from logits: the first of the likeliest, or a draw after transformers' warpers in their order —
 * temperature, top-k (ties of the k-th stay), top-p (the last token that is needed to reach p stays).
 */
public final class TokenPicker {

    private final GenerationConfig config;

    public TokenPicker(GenerationConfig config) {
        this.config = config;
    }

    /**
     * @param logits [vocabulary]
     * @param prompt index of the prompt, for the draw
     * @param step tokens generated before, for the draw
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a logit is NaN or infinite
     */
    public int pick(float[] logits, int prompt, int step) {
        int best = likeliest(logits, prompt, step);
        return config.doSample() ? draw(weights(logits, logits[best]), uniform(config.seed(), prompt, step)) : best;
    }

    private static int likeliest(float[] logits, int prompt, int step) {
        int best = 0;
        for (int i = 0; i < logits.length; i++) {
            if (Float.isNaN(logits[i]) || logits[i] == Float.POSITIVE_INFINITY) {
                throw TrainErrors.logitsNotFinite(prompt, step, logits[i]);
            }
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    /** Probabilities after the warpers, not normalised; {@code max} is the largest logit. */
    double[] weights(float[] logits, float max) {
        double[] weights = new double[logits.length];
        float kth = kthLargest(logits);
        for (int i = 0; i < logits.length; i++) {
            double scaled = ((double) logits[i] - max) / config.temperature();
            weights[i] = logits[i] < kth ? 0 : StrictMath.exp(scaled);
        }
        keepTopP(weights);
        return weights;
    }

    private float kthLargest(float[] logits) {
        if (config.topK() == 0 || config.topK() >= logits.length) {
            return Float.NEGATIVE_INFINITY;
        }
        float[] sorted = logits.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length - config.topK()];
    }

    /** Zeroes tokens, from the least likely on, as long as all that are zeroed have at most 1 − p together. */
    private void keepTopP(double[] weights) {
        if (config.topP() == 1) {
            return;
        }
        Integer[] ascending = new Integer[weights.length];
        int count = 0;
        double total = 0;
        for (int i = 0; i < weights.length; i++) {
            total += weights[i];
            if (weights[i] > 0) {
                ascending[count++] = i;
            }
        }
        Arrays.sort(ascending, 0, count, (a, b) -> Double.compare(weights[a], weights[b]));
        double below = 0;
        for (int i = 0; i < count - 1; i++) {
            below += weights[ascending[i]];
            if (below > (1 - config.topP()) * total) {
                return;
            }
            weights[ascending[i]] = 0;
        }
    }

    private static int draw(double[] weights, double draw) {
        double left = draw * Arrays.stream(weights).sum();
        int last = 0;
        for (int i = 0; i < weights.length; i++) {
            if (weights[i] > 0) {
                last = i;
                left -= weights[i];
                if (left < 0) {
                    return i;
                }
            }
        }
        return last;
    }

    /** A number in [0, 1) by SplitMix64's finaliser (Steele et al., 2014), chained over the three. */
    static double uniform(long seed, int prompt, int step) {
        long bits = mix(mix(mix(seed) + prompt) + step);
        return (bits >>> 11) * 0x1p-53;
    }

    private static long mix(long z) {
        long x = z + 0x9E3779B97F4A7C15L;
        x = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        x = (x ^ (x >>> 27)) * 0x94D049BB133111EBL;
        return x ^ (x >>> 31);
    }
}
