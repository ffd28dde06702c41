// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import java.util.Arrays;
import java.util.Random;

/** Rows of random tokens. */
final class TestRows {

    private TestRows() {}

    /** Sequences of these lengths in one row; about a quarter of the labels does not count. */
    static PackedRow packed(long seed, int vocabSize, int... lengths) {
        Random random = new Random(seed);
        int tokens = Arrays.stream(lengths).sum();
        int[] ids = random.ints(tokens, 3, vocabSize).toArray();
        int[] labels = Arrays.stream(ids)
                .map(id -> random.nextInt(4) == 0 ? PackedRow.IGNORE_INDEX : id)
                .toArray();
        return new PackedRow(seed, ids, labels, lengths);
    }

    /** Sequence {@code index} of a row as a row of its own. */
    static PackedRow sequence(PackedRow row, int index) {
        int from = Arrays.stream(row.sequenceLengths(), 0, index).sum();
        int to = from + row.sequenceLengths()[index];
        return PackedRow.single(
                index, Arrays.copyOfRange(row.inputIds(), from, to), Arrays.copyOfRange(row.labels(), from, to));
    }
}
