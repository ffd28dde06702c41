// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.PackingStrategy;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;

/**
 * Packs the windows of a partition, one after the other: rows (window, number of tokens, {@link TokenBytes}, tokens of a pair's
 * first sequence) in, sorted by
 * window, {@link ShardRow}s out. Holds one window at a time.
 */
final class PackWindows implements MapPartitionsFunction<Row, ShardRow> {

    private static final long serialVersionUID = 1L;

    private static final int FIRST_TOKENS = 3; // the column's place

    private final int capacity;
    private final PackingStrategy strategy;

    /** @param strategy null: each sequence is a row */
    PackWindows(int capacity, PackingStrategy strategy) {
        this.capacity = capacity;
        this.strategy = strategy;
    }

    @Override
    public Iterator<ShardRow> call(Iterator<Row> rows) {
        return new Windows(rows);
    }

    private Iterator<ShardRow> pack(int window, List<Row> sequences) {
        if (strategy == PackingStrategy.WRAPPED) {
            return new WrappedRows(window, sequences, capacity);
        }
        int[] lengths = sequences.stream().mapToInt(row -> row.getInt(1)).toArray();
        List<int[]> packed = strategy == null ? Packer.single(lengths.length) : Packer.pack(lengths, capacity);
        Iterator<int[]> remaining = packed.iterator();
        return new Iterator<>() {
            private int position;

            @Override
            public boolean hasNext() {
                return remaining.hasNext();
            }

            @Override
            public ShardRow next() {
                return concatenate(window, position++, remaining.next(), sequences);
            }
        };
    }

    private static ShardRow concatenate(int window, int position, int[] indices, List<Row> sequences) {
        List<Integer> sequenceLengths = new ArrayList<>();
        int total = 0;
        for (int i = 0; i < indices.length; i++) {
            Row sequence = sequences.get(indices[i]);
            int length = sequence.getInt(1);
            int first = sequence.isNullAt(FIRST_TOKENS) ? length : sequence.getInt(FIRST_TOKENS);
            sequenceLengths.add(first);
            if (first < length) {
                sequenceLengths.add(length - first);
            }
            total += length;
        }
        int[] inputIds = new int[total];
        int[] labels = new int[total];
        int offset = 0;
        for (int i = 0; i < indices.length; i++) {
            byte[] bytes = sequences.get(indices[i]).getAs(2);
            offset = TokenBytes.decode(bytes, sequences.get(indices[i]).getInt(1), inputIds, labels, offset);
        }
        int[] lengths = sequenceLengths.stream().mapToInt(Integer::intValue).toArray();
        return new ShardRow(window, position, lengths, inputIds, labels);
    }

    /** The packed rows of one window after another. */
    private final class Windows implements Iterator<ShardRow> {

        private final Iterator<Row> rows;
        private Row pending;
        private Iterator<ShardRow> current = Collections.emptyIterator();

        Windows(Iterator<Row> rows) {
            this.rows = rows;
            this.pending = rows.hasNext() ? rows.next() : null;
        }

        @Override
        public boolean hasNext() {
            return current.hasNext() || pending != null;
        }

        @Override
        public ShardRow next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            if (!current.hasNext()) {
                int window = pending.getInt(0);
                current = pack(window, sequencesOf(window));
            }
            return current.next();
        }

        private List<Row> sequencesOf(int window) {
            List<Row> sequences = new ArrayList<>();
            while (pending != null && pending.getInt(0) == window) {
                sequences.add(pending);
                pending = rows.hasNext() ? rows.next() : null;
            }
            return sequences;
        }
    }
}
