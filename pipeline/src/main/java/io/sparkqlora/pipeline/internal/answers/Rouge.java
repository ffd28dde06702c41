// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.answers;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * ROUGE as the package rouge-score computes it, without its stemmer: F-measures of n-grams and of the longest common
 * subsequence of words (Lin, 2004). Words are runs of a to z and digits, in lower case.
 *
 * @param rouge1 of single words
 * @param rouge2 of pairs of words
 * @param rougeL of the longest common subsequence
 */
record Rouge(double rouge1, double rouge2, double rougeL) {

    static Rouge of(String expected, String answer) {
        List<String> target = words(expected);
        List<String> prediction = words(answer);
        return new Rouge(
                ngrams(target, prediction, 1),
                ngrams(target, prediction, 2),
                fmeasure(longestCommon(target, prediction), target.size(), prediction.size()));
    }

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        for (String word : text.toLowerCase(Locale.ROOT).split("[^a-z0-9]+", -1)) {
            if (!word.isEmpty()) {
                words.add(word);
            }
        }
        return words;
    }

    private static double ngrams(List<String> target, List<String> prediction, int n) {
        Map<List<String>, Integer> wanted = counts(target, n);
        Map<List<String>, Integer> there = counts(prediction, n);
        int common = 0;
        for (Map.Entry<List<String>, Integer> each : wanted.entrySet()) {
            common += Math.min(each.getValue(), there.getOrDefault(each.getKey(), 0));
        }
        return fmeasure(common, Math.max(0, target.size() - n + 1), Math.max(0, prediction.size() - n + 1));
    }

    private static Map<List<String>, Integer> counts(List<String> words, int n) {
        Map<List<String>, Integer> counts = new HashMap<>();
        for (int i = 0; i + n <= words.size(); i++) {
            counts.merge(List.copyOf(words.subList(i, i + n)), 1, Integer::sum);
        }
        return counts;
    }

    /** Row by row of the table of lengths, of which one row is kept. */
    private static int longestCommon(List<String> target, List<String> prediction) {
        int[] lengths = new int[prediction.size() + 1];
        for (String word : target) {
            int diagonal = 0;
            for (int j = 1; j < lengths.length; j++) {
                int above = lengths[j];
                lengths[j] = word.equals(prediction.get(j - 1)) ? diagonal + 1 : Math.max(above, lengths[j - 1]);
                diagonal = above;
            }
        }
        return lengths[prediction.size()];
    }

    private static double fmeasure(int common, int targets, int predictions) {
        double precision = (double) common / Math.max(predictions, 1);
        double recall = (double) common / Math.max(targets, 1);
        return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    }
}
