// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.train.PackedRow;
import io.sparkqlora.train.PreferenceErrors;
import io.sparkqlora.train.TrainErrors;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The rows of a micro-batch, one sequence after another without padding.
 *
 * @param inputIds tokens
 * @param positions of each token in its sequence
 * @param starts sequence {@code s} owns tokens {@code starts[s]} to {@code starts[s + 1]}
 * @param targetRows rows of the hidden states that predict a token that counts
 * @param targetLabels those tokens
 */
@SuppressWarnings("ArrayRecordComponent")
public record HostBatch(int[] inputIds, int[] positions, int[] starts, int[] targetRows, int[] targetLabels) {

    /**
     * Lays rows out.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if a token or label is outside the vocabulary
     */
    public static HostBatch of(List<PackedRow> rows, int vocabSize) {
        Builder builder =
                new Builder(rows.stream().mapToInt(PackedRow::numTokens).sum(), vocabSize);
        rows.forEach(builder::add);
        return builder.build();
    }

    /** Several one after another. */
    static HostBatch joined(List<HostBatch> batches) {
        if (batches.size() == 1) {
            return batches.get(0);
        }
        int[] starts =
                new int[1 + batches.stream().mapToInt(b -> b.starts.length - 1).sum()];
        int[] targetRows = concat(batches, HostBatch::targetRows);
        int tokens = 0;
        int sequences = 0;
        int targets = 0;
        for (HostBatch batch : batches) {
            for (int i = 1; i < batch.starts.length; i++) {
                starts[++sequences] = tokens + batch.starts[i];
            }
            for (int i = 0; i < batch.targetRows.length; i++) {
                targetRows[targets++] += tokens;
            }
            tokens += batch.tokens();
        }
        return new HostBatch(
                concat(batches, HostBatch::inputIds),
                concat(batches, HostBatch::positions),
                starts,
                targetRows,
                concat(batches, HostBatch::targetLabels));
    }

    private static int[] concat(List<HostBatch> batches, Function<HostBatch, int[]> part) {
        return batches.stream().map(part).flatMapToInt(Arrays::stream).toArray();
    }

    /** The batch that needs the most memory: every token a sequence of its own that counts. */
    public static HostBatch largest(int tokens) {
        int[] rows = new int[tokens];
        return new HostBatch(rows, rows, new int[tokens + 1], rows, rows);
    }

    /** The numbers of the tokens, those of one id side by side and in order. */
    int[] tokenOrder() {
        return IntStream.range(0, inputIds.length)
                .mapToLong(i -> ((long) inputIds[i] << Integer.SIZE) | i)
                .sorted()
                .mapToInt(key -> (int) key)
                .toArray();
    }

    /** Sequences. */
    public int sequences() {
        return starts.length - 1;
    }

    /** Pairs of sequences, where they are pairs. */
    public int pairs() {
        return sequences() / 2;
    }

    /** Sequence {@code s} of {@code 2 · pairs()} owns targets {@code [s]} to {@code [s + 1]}. */
    int[] targetStarts() {
        int[] targetStarts = new int[2 * pairs() + 1];
        int target = 0;
        for (int s = 1; s < targetStarts.length; s++) {
            while (target < targetRows.length && targetRows[target] < starts[s]) {
                target++;
            }
            targetStarts[s] = target;
        }
        return targetStarts;
    }

    /**
     * Checks that each row is pairs, in whose sequences a token counts.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if not
     */
    public static void requirePairs(List<PackedRow> rows) {
        for (PackedRow row : rows) {
            int sequences = row.sequenceLengths().length;
            int start = 0;
            boolean counts = sequences % 2 == 0;
            for (int length : row.sequenceLengths()) {
                counts &= countTargets(row, start, length) > 0;
                start += length;
            }
            if (!counts) {
                throw PreferenceErrors.notPairs(row.rowIndex(), sequences);
            }
        }
    }

    /** Tokens. */
    public int tokens() {
        return inputIds.length;
    }

    /** Tokens of {@code rows} that count, without laying them out. */
    public static long countTargets(List<PackedRow> rows) {
        return rows.stream().mapToLong(PackedRow::numTargetTokens).sum();
    }

    private static int countTargets(PackedRow row, int start, int length) {
        int count = 0;
        for (int i = start + 1; i < start + length; i++) {
            count += row.labels()[i] == PackedRow.IGNORE_INDEX ? 0 : 1;
        }
        return count;
    }

    private static final class Builder {

        private final int vocabSize;
        private final int[] ids;
        private final int[] positions;
        private final int[] starts;
        private final int[] targetRows;
        private final int[] targetLabels;
        private int tokens;
        private int sequences;
        private int targets;

        Builder(int size, int vocabSize) {
            this.vocabSize = vocabSize;
            ids = new int[size];
            positions = new int[size];
            starts = new int[size + 1];
            targetRows = new int[size];
            targetLabels = new int[size];
        }

        void add(PackedRow row) {
            int from = 0;
            for (int length : row.sequenceLengths()) {
                for (int i = 0; i < length; i++) {
                    addToken(row, from + i, i, length);
                }
                starts[++sequences] = tokens;
                from += length;
            }
        }

        /** The label of a token is the target of the row before it, in the same sequence. */
        private void addToken(PackedRow row, int index, int position, int length) {
            ids[tokens] = checked(row, "input_ids", row.inputIds()[index]);
            positions[tokens] = position;
            if (position + 1 < length && row.labels()[index + 1] != PackedRow.IGNORE_INDEX) {
                targetRows[targets] = tokens;
                targetLabels[targets++] = checked(row, "labels", row.labels()[index + 1]);
            }
            tokens++;
        }

        private int checked(PackedRow row, String column, int token) {
            if (token < 0 || token >= vocabSize) {
                throw TrainErrors.tokenOutOfVocabulary(row.rowIndex(), column, token, vocabSize);
            }
            return token;
        }

        HostBatch build() {
            return new HostBatch(
                    ids,
                    positions,
                    Arrays.copyOf(starts, sequences + 1),
                    Arrays.copyOf(targetRows, targets),
                    Arrays.copyOf(targetLabels, targets));
        }
    }
}
