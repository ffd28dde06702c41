// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.ml;

import io.sparkqlora.pipeline.PreferenceErrors;
import io.sparkqlora.train.LossSum;
import io.sparkqlora.train.PackedRow;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/**
 * The columns that a model adds to rows.
 *
 * @param spec which
 * @param model the model, in this process's memory
 */
record RowScores(ScoreSpec spec, ResidentModel model) {

    List<Row> of(List<Row> rows) {
        List<Tokens> tokens = rows.stream().map(this::tokens).toList();
        List<String> answers = spec.generate() ? answers(tokens) : null;
        List<Row> scored = new ArrayList<>();
        for (int i = 0; i < rows.size(); i++) {
            List<Object> added = new ArrayList<>();
            if (spec.loss() && spec.lengths() >= 0) {
                addPair(rows.get(i), i, tokens.get(i), added);
            } else if (spec.loss()) {
                LossSum loss = loss(i, tokens.get(i));
                added.add(loss.numTargetTokens() == 0 ? null : loss.mean());
                added.add(loss.numTargetTokens());
            }
            if (spec.generate()) {
                added.add(answers.get(i));
            }
            if (spec.texts()) {
                added.add(model.text(tokens.get(i).prompt()));
                added.add(model.text(tokens.get(i).expected()));
            }
            scored.add(with(rows.get(i), added));
        }
        return scored;
    }

    /** Of a row that could not be tokenised, none. */
    private Tokens tokens(Row row) {
        if (row.isNullAt(spec.inputIds()) || row.isNullAt(spec.labels())) {
            return new Tokens(new int[0], new int[0]);
        }
        return new Tokens(ints(row, spec.inputIds()), ints(row, spec.labels()));
    }

    private static int[] ints(Row row, int column) {
        List<Integer> values = row.getList(column);
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    private LossSum loss(int row, Tokens tokens) {
        Tokens cut = tokens.cut(spec.base().maxTokens());
        return cut.targets() == 0 ? LossSum.ZERO : model.loss(PackedRow.single(row, cut.inputIds(), cut.labels()));
    }

    /** The loss of a pair and its counted tokens; none where the row could not be tokenised. Each sequence is cut as in training. */
    private void addPair(Row row, int index, Tokens both, List<Object> added) {
        if (both.inputIds().length == 0 || row.isNullAt(spec.lengths())) {
            added.addAll(Arrays.asList(null, 0L));
            return;
        }
        int[] lengths = ints(row, spec.lengths());
        if (lengths.length != 2 || (long) lengths[0] + lengths[1] != both.inputIds().length) {
            throw PreferenceErrors.noPair(Arrays.toString(lengths), both.inputIds().length);
        }
        Tokens chosen = both.cut(lengths[0]).cut(spec.base().maxTokens());
        Tokens rejected = both.from(lengths[0]).cut(spec.base().maxTokens());
        PackedRow pair = new PackedRow(
                index,
                joined(chosen.inputIds(), rejected.inputIds()),
                joined(chosen.labels(), rejected.labels()),
                new int[] {chosen.inputIds().length, rejected.inputIds().length});
        boolean counts = chosen.targets() > 0 && rejected.targets() > 0;
        added.add(counts ? model.pairLoss(pair) : null);
        added.add((long) chosen.targets() + rejected.targets());
    }

    private static int[] joined(int[] first, int[] second) {
        int[] both = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    /** A row without tokens before those that count has no prompt, and no answer. */
    private List<String> answers(List<Tokens> rows) {
        List<int[]> prompts =
                rows.stream().map(Tokens::prompt).filter(ids -> ids.length > 0).toList();
        List<String> texts = prompts.isEmpty() ? List.of() : model.answers(prompts, spec.maxNewTokens());
        List<String> answers = new ArrayList<>();
        int next = 0;
        for (Tokens row : rows) {
            answers.add(row.prompt().length == 0 ? null : texts.get(next++));
        }
        return answers;
    }

    private static Row with(Row row, List<Object> added) {
        Object[] values = new Object[row.size() + added.size()];
        for (int i = 0; i < row.size(); i++) {
            values[i] = row.get(i);
        }
        for (int i = 0; i < added.size(); i++) {
            values[row.size() + i] = added.get(i);
        }
        return RowFactory.create(values);
    }

    @SuppressWarnings("ArrayRecordComponent")
    private record Tokens(int[] inputIds, int[] labels) {

        Tokens cut(int most) {
            int length = Math.min(most, inputIds.length);
            return new Tokens(Arrays.copyOf(inputIds, length), Arrays.copyOf(labels, length));
        }

        Tokens from(int first) {
            return new Tokens(
                    Arrays.copyOfRange(inputIds, first, inputIds.length),
                    Arrays.copyOfRange(labels, first, labels.length));
        }

        /** Nothing predicts the first token. */
        int targets() {
            int targets = 0;
            for (int i = 1; i < labels.length; i++) {
                targets += labels[i] == PackedRow.IGNORE_INDEX ? 0 : 1;
            }
            return targets;
        }

        /** The last tokens that count, which follow the prompt; none, where none does. */
        int[] expected() {
            int from = prompt().length;
            int end = from;
            while (end < labels.length && labels[end] != PackedRow.IGNORE_INDEX) {
                end++;
            }
            return Arrays.copyOfRange(inputIds, from, end);
        }

        /** What stands before the last tokens that count; all, where none does. */
        int[] prompt() {
            int end = labels.length;
            while (end > 0 && labels[end - 1] == PackedRow.IGNORE_INDEX) {
                end--;
            }
            if (end == 0) {
                return inputIds;
            }
            while (end > 0 && labels[end - 1] != PackedRow.IGNORE_INDEX) {
                end--;
            }
            return Arrays.copyOf(inputIds, end);
        }
    }
}
