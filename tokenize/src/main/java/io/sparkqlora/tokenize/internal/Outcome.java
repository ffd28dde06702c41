// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

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
     * A row that can't be used.
     *
     * @param reason one of a few fixed words, for counting
     * @param detail what is wrong with this one
     */
    record Rejected(String reason, String detail) implements Outcome {}
}
