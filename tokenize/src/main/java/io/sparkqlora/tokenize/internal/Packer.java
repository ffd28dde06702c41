// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Best-fit decreasing: the longest sequence first, each into the fullest row that still has room, a new row if none has.
 * Never more than 11/9 of the fewest possible rows plus four (Johnson, 1974). What comes out depends on the lengths and their
 * order alone.
 */
final class Packer {

    private Packer() {}

    /**
     * Packs sequences into rows.
     *
     * @param lengths of each sequence, in tokens, 1 to {@code capacity}
     * @param capacity of a row, in tokens
     * @return the rows: indices into {@code lengths}, each index once
     */
    static List<int[]> pack(int[] lengths, int capacity) {
        List<List<Integer>> rows = new ArrayList<>();
        // rows by the room they have left; of equally full ones the oldest is taken
        TreeMap<Integer, Deque<Integer>> open = new TreeMap<>();
        for (int index : decreasing(lengths)) {
            int length = lengths[index];
            if (length < 1 || length > capacity) {
                throw new IllegalArgumentException("a sequence of " + length + " tokens in rows of " + capacity);
            }
            Map.Entry<Integer, Deque<Integer>> tightest = open.ceilingEntry(length);
            int row = tightest == null ? rows.size() : take(open, tightest);
            int room = (tightest == null ? capacity : tightest.getKey()) - length;
            if (row == rows.size()) {
                rows.add(new ArrayList<>());
            }
            rows.get(row).add(index);
            if (room > 0) {
                open.computeIfAbsent(room, size -> new ArrayDeque<>()).addLast(row);
            }
        }
        return rows.stream().map(Packer::indices).toList();
    }

    /** A row for each sequence, in their order. */
    static List<int[]> single(int count) {
        return IntStream.range(0, count).mapToObj(index -> new int[] {index}).toList();
    }

    private static int take(TreeMap<Integer, Deque<Integer>> open, Map.Entry<Integer, Deque<Integer>> entry) {
        int row = entry.getValue().removeFirst();
        if (entry.getValue().isEmpty()) {
            open.remove(entry.getKey());
        }
        return row;
    }

    /** Indices by length, the longest first; sequences of one length stay in their order. */
    private static int[] decreasing(int[] lengths) {
        return IntStream.range(0, lengths.length)
                .boxed()
                .sorted(Comparator.comparingInt((Integer index) -> -lengths[index]))
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private static int[] indices(List<Integer> row) {
        return row.stream().mapToInt(Integer::intValue).toArray();
    }
}
