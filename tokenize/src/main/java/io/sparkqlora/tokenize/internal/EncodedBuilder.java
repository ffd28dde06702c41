// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import io.sparkqlora.tokenize.internal.NativeTokenizer.Encoded;
import java.util.Arrays;

/** Puts the tokens of a text together from those of its parts. */
final class EncodedBuilder {

    private int[] ids;
    private int[] starts;
    private int[] ends;
    private int count;

    /** @param capacity how many tokens there may be; more make it grow */
    EncodedBuilder(int capacity) {
        int room = Math.max(16, capacity);
        ids = new int[room];
        starts = new int[room];
        ends = new int[room];
    }

    /** A token and the UTF-16 units that it covers. */
    void add(int id, int start, int end) {
        reserve(1);
        ids[count] = id;
        starts[count] = start;
        ends[count++] = end;
    }

    /** The tokens of the part that begins at an offset. */
    void add(Encoded part, int offset) {
        int[] more = part.ids();
        reserve(more.length);
        for (int i = 0; i < more.length; i++) {
            ids[count] = more[i];
            starts[count] = offset + part.starts()[i];
            ends[count++] = offset + part.ends()[i];
        }
    }

    /** Tokens that cover nothing. */
    void addSpecial(int[] special) {
        for (int id : special) {
            add(id, 0, 0);
        }
    }

    private void reserve(int more) {
        if (count + more > ids.length) {
            int room = Math.max(count + more, 2 * ids.length);
            ids = Arrays.copyOf(ids, room);
            starts = Arrays.copyOf(starts, room);
            ends = Arrays.copyOf(ends, room);
        }
    }

    Encoded build() {
        return new Encoded(Arrays.copyOf(ids, count), Arrays.copyOf(starts, count), Arrays.copyOf(ends, count));
    }
}
