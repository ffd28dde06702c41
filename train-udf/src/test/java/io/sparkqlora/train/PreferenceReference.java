// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.train.internal.safetensors.SafetensorsFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Pairs and what src/test/python/preference_reference.py made of them. */
final class PreferenceReference implements AutoCloseable {

    private final SafetensorsFile file;
    private final List<PackedRow> rows;

    PreferenceReference(Path path) {
        file = SafetensorsFile.open(path);
        // two pairs in one row, one in another
        rows = List.of(row(0, 0, 1), row(1, 2));
    }

    private PackedRow row(long index, int... pairs) {
        int[] ids = {};
        int[] labels = {};
        int[] lengths = {};
        for (int pair : pairs) {
            for (String which : List.of(".chosen", ".rejected")) {
                int[] own = ints(pair + which);
                int[] counted = own.clone();
                Arrays.fill(counted, 0, ints(pair + ".prompt")[0], PackedRow.IGNORE_INDEX);
                ids = concat(ids, own);
                labels = concat(labels, counted);
                lengths = concat(lengths, new int[] {own.length});
            }
        }
        return new PackedRow(index, ids, labels, lengths);
    }

    private static int[] concat(int[] a, int[] b) {
        return IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray();
    }

    private int[] ints(String name) {
        ByteBuffer bytes = file.read(name).order(ByteOrder.LITTLE_ENDIAN);
        int[] out = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(out);
        return out;
    }

    List<PackedRow> rows() {
        return rows;
    }

    int tokens() {
        return rows.stream().mapToInt(PackedRow::numTokens).sum();
    }

    float[] floats(String name) {
        ByteBuffer bytes = file.read(name).order(ByteOrder.LITTLE_ENDIAN);
        float[] out = new float[bytes.remaining() / Float.BYTES];
        bytes.asFloatBuffer().get(out);
        return out;
    }

    double number(String name, int index) {
        return floats(name)[index];
    }

    @Override
    public void close() {
        file.close();
    }
}
