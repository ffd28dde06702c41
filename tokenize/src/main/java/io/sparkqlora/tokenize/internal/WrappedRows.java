// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.sql.Row;

/**
 * The sequences of a window as one stream of tokens, cut where a row is full, as TRL wraps them. Each row is one sequence: what
 * stands before is seen, whichever sequence it is of. A row in which nothing counts would teach nothing, and is left out.
 */
final class WrappedRows implements Iterator<ShardRow> {

    private final int window;
    private final int capacity;
    private final Iterator<Row> sequences;
    private int[] ids = new int[0];
    private int[] labels = new int[0];
    private int at;
    private int position;
    private ShardRow next;

    /** @param sequences (window, number of tokens, {@link TokenBytes}) */
    WrappedRows(int window, List<Row> sequences, int capacity) {
        this.window = window;
        this.capacity = capacity;
        this.sequences = sequences.iterator();
        this.next = useful();
    }

    @Override
    public boolean hasNext() {
        return next != null;
    }

    @Override
    public ShardRow next() {
        if (next == null) {
            throw new NoSuchElementException();
        }
        ShardRow row = next;
        next = useful();
        return row;
    }

    private ShardRow useful() {
        ShardRow row = row();
        while (row != null && row.getNumTargetTokens() == 0) {
            row = row();
        }
        if (row != null) {
            row.setPosition(position++);
        }
        return row;
    }

    /** The next tokens, as many as a row has, or what is left; null where nothing is. */
    private ShardRow row() {
        int[] rowIds = new int[capacity];
        int[] rowLabels = new int[capacity];
        int filled = 0;
        while (filled < capacity && (at < ids.length || sequences.hasNext())) {
            if (at == ids.length) {
                open(sequences.next());
            }
            int count = Math.min(capacity - filled, ids.length - at);
            System.arraycopy(ids, at, rowIds, filled, count);
            System.arraycopy(labels, at, rowLabels, filled, count);
            at += count;
            filled += count;
        }
        return filled == 0 ? null : cut(rowIds, rowLabels, filled);
    }

    private void open(Row sequence) {
        int count = sequence.getInt(1);
        ids = new int[count];
        labels = new int[count];
        TokenBytes.decode(sequence.getAs(2), count, ids, labels, 0);
        at = 0;
    }

    private ShardRow cut(int[] rowIds, int[] rowLabels, int count) {
        // nothing predicts a row's first token
        rowLabels[0] = TokenBytes.IGNORED;
        return new ShardRow(
                window, 0, new int[] {count}, Arrays.copyOf(rowIds, count), Arrays.copyOf(rowLabels, count));
    }
}
