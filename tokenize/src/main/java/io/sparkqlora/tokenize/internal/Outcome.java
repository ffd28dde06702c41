// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.Arrays;

/** What came of a row. */
public sealed interface Outcome {

    /**
     * A sequence.
     *
     * @param inputIds at least two token ids
     * @param labels as many: the token's own id where it counts in the loss, −100 where it doesn't
     * @param truncated whether tokens were cut off its end
     */
    record Tokenized(int[] inputIds, int[] labels, boolean truncated) implements Outcome {}

    /**
     * Two sequences that belong together: what was preferred and what was not, each after the same prompt.
     *
     * @param chosen the better one
     * @param rejected the other one, of other tokens
     */
    record Pair(Tokenized chosen, Tokenized rejected) implements Outcome {

        /** Tokens of the first sequence, which is the chosen one. */
        int first() {
            return chosen.inputIds().length;
        }

        /** Token ids of both, one after the other. */
        int[] inputIds() {
            return joined(chosen.inputIds(), rejected.inputIds());
        }

        /** Labels of both; nothing predicts the first token of either. */
        int[] labels() {
            int[] labels = joined(chosen.labels(), rejected.labels());
            labels[0] = TokenBytes.IGNORED;
            labels[first()] = TokenBytes.IGNORED;
            return labels;
        }

        boolean truncated() {
            return chosen.truncated() || rejected.truncated();
        }

        private static int[] joined(int[] first, int[] second) {
            int[] both = Arrays.copyOf(first, first.length + second.length);
            System.arraycopy(second, 0, both, first.length, second.length);
            return both;
        }
    }

    /**
     * A row that can't be used.
     *
     * @param reason one of a few fixed words, for counting
     * @param detail what is wrong with this one
     */
    record Rejected(String reason, String detail) implements Outcome {}
}
