// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Arrays;

/**
 * Sequences that lie one after another and never see each other: the unit that batches are made of.
 *
 * @param rowIndex its index in the data set
 * @param inputIds tokens of all sequences
 * @param labels as many as tokens: {@code labels[i]} is token i where the model is to learn to predict it, −100 where it does
 *     not count. The first token of a sequence is never counted, whatever its label
 * @param sequenceLengths tokens of each sequence; their sum is the number of tokens
 */
@SuppressWarnings("ArrayRecordComponent")
public record PackedRow(long rowIndex, int[] inputIds, int[] labels, int[] sequenceLengths) {

    /** Label of a token that does not count. */
    public static final int IGNORE_INDEX = -100;

    public PackedRow {
        long sum = Arrays.stream(sequenceLengths).asLongStream().sum();
        boolean positive = Arrays.stream(sequenceLengths).allMatch(n -> n > 0);
        if (inputIds.length != labels.length || inputIds.length != sum || !positive) {
            throw TrainErrors.badRow(rowIndex, inputIds.length, labels.length, sequenceLengths);
        }
    }

    /** A row of one sequence. */
    public static PackedRow single(long rowIndex, int[] inputIds, int[] labels) {
        return new PackedRow(rowIndex, inputIds, labels, new int[] {inputIds.length});
    }

    /** Tokens that count. */
    public int numTargetTokens() {
        int count = 0;
        int start = 0;
        for (int length : sequenceLengths) {
            for (int i = start + 1; i < start + length; i++) {
                count += labels[i] == IGNORE_INDEX ? 0 : 1;
            }
            start += length;
        }
        return count;
    }

    /** Tokens of all sequences. */
    public int numTokens() {
        return inputIds.length;
    }
}
