// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static io.sparkqlora.kernels.internal.cpu.AttentionTiles.KEYS;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;

/**
 * One item of the forward pass, tile by tile with a running maximum and sum (Milakov and Gimelshein, 2018; Dao et al.,
 * FlashAttention, 2022): {@code out} is rescaled whenever the maximum rises.
 */
final class AttentionForward {

    private final AttentionTiles tiles;
    private final Attention.Settings settings;
    private final Products products;
    private final AttentionItem item;
    /** Factor on the scores; 1 after a cap, which has applied it. */
    private final float scale;

    private final int rows;
    private final long keys;
    private final long values;
    private final long queries;
    private final long scores;
    private final long probabilities;
    private final long output;
    private final float[] tile;
    private final float[] outputRow;
    private final float[] lanes = new float[VectorMath.LANES];
    private final float[] max;
    private final float[] sum;

    /** @param scratch at least {@link #scratchBytes}, kept while the item runs */
    AttentionForward(
            AttentionTiles tiles, Attention.Settings settings, Products products, AttentionItem item, long scratch) {
        this.tiles = tiles;
        if (!(settings.scale() > 0f)) {
            throw new IllegalArgumentException("scores can't be scaled by " + settings.scale());
        }
        this.settings = settings;
        this.products = products;
        this.item = item;
        this.scale = settings.softCap() == 0f ? settings.scale() : 1f;
        this.rows = tiles.rows();
        Slices slices = new Slices(scratch);
        long element = tiles.dtype().bytes();
        long staged = (long) AttentionTiles.padded(item.keysSeen()) * tiles.width() * element;
        keys = slices.next(staged);
        values = slices.next(staged);
        queries = slices.next((long) rows * tiles.width() * element);
        scores = slices.next(4L * rows * KEYS);
        probabilities = slices.next((long) rows * KEYS * element);
        output = slices.next(4L * rows * tiles.width());
        tile = new float[rows * Math.max(KEYS, tiles.width())];
        outputRow = new float[tiles.width()];
        max = new float[rows];
        sum = new float[rows];
    }

    static long scratchBytes(AttentionTiles tiles, AttentionItem item) {
        long staged = (long) AttentionTiles.padded(item.keysSeen()) * tiles.width();
        long row = 2L * tiles.width() + 2L * KEYS;
        return 4 * (2 * staged + tiles.rows() * row) + Slices.SLACK;
    }

    void run(Tensor q, Tensor k, Tensor v, Tensor out, Tensor logSumExp) {
        int seen = item.keysSeen();
        int padded = AttentionTiles.padded(seen);
        HeadRows.gather(k, item.keyStart(), seen, item.kvHead(), tiles, keys, padded);
        HeadRows.gather(v, item.keyStart(), seen, item.kvHead(), tiles, values, padded);
        for (int query = item.from(); query < item.to(); query += tiles.queries()) {
            int count = Math.min(tiles.queries(), item.to() - query);
            HeadRows.gatherGroup(q, (long) item.queryStart() + query, count, item.kvHead(), tiles, queries);
            attend(query, count);
            finish(query, count, out, logSumExp);
        }
    }

    private void attend(int query, int count) {
        Arrays.fill(max, Float.NEGATIVE_INFINITY);
        Arrays.fill(sum, 0f);
        int first = item.firstKey(query, settings.window()) / KEYS * KEYS;
        int end = item.position(query + count - 1) + 1;
        for (int key = first; key < end; key += KEYS) {
            long offset = (long) key * tiles.width() * tiles.dtype().bytes();
            products.run(tiles.scores(), queries, keys + offset, scores);
            softmax(query, count, key, key > first);
            products.run(tiles.output(key > first ? 1f : 0f), probabilities, values + offset, output);
        }
    }

    /** Scores to probabilities; where a row's maximum rises, what is already in its output shrinks. */
    private void softmax(int query, int count, int key, boolean rescale) {
        Native.load(scores, tile, 0, rows * KEYS);
        for (int row = 0; row < rows; row++) {
            int i = row % tiles.queries();
            int from = i < count ? Math.max(0, item.firstKey(query + i, settings.window()) - key) : KEYS;
            int to = Math.min(KEYS, item.position(query + i) + 1 - key);
            if (from < to) {
                softmaxRow(row, from, to, rescale);
            } else {
                Arrays.fill(tile, row * KEYS, (row + 1) * KEYS, 0f);
            }
        }
        Rows.store(tile, 0, rows * KEYS, tiles.dtype(), probabilities);
    }

    private void softmaxRow(int row, int from, int to, boolean rescale) {
        int at = row * KEYS;
        if (settings.softCap() != 0f) {
            SoftmaxRows.cap(tile, at, KEYS, settings.scale(), settings.softCap());
        }
        if (to - from < KEYS) {
            Arrays.fill(tile, at, at + from, Float.NEGATIVE_INFINITY);
            Arrays.fill(tile, at + to, at + KEYS, Float.NEGATIVE_INFINITY);
        }
        float highest = scale * SoftmaxRows.max(tile, at, KEYS, lanes);
        float before = max[row];
        if (highest > before) {
            max[row] = highest;
            float factor = VectorMath.exp(before - highest);
            sum[row] *= factor;
            if (rescale) {
                shrink(row, factor);
            }
        }
        sum[row] += SoftmaxRows.exponentials(tile, at, KEYS, scale, max[row], lanes);
    }

    private void shrink(int row, float factor) {
        long address = output + 4L * row * tiles.width();
        Native.load(address, outputRow, 0, outputRow.length);
        SoftmaxRows.multiply(outputRow, 0, outputRow.length, factor);
        Native.store(outputRow, 0, outputRow.length, address);
    }

    private void finish(int query, int count, Tensor out, Tensor logSumExp) {
        int width = tiles.width();
        Native.load(output, tile, 0, rows * width);
        for (int row = 0; row < rows; row++) {
            int i = row % tiles.queries();
            if (i < count) {
                int head = item.kvHead() * tiles.group() + row / tiles.queries();
                long target = (long) item.queryStart() + query + i;
                SoftmaxRows.multiply(tile, row * width, width, 1f / sum[row]);
                Rows.store(tile, row * width, tiles.headDim(), out, target, (long) head * tiles.headDim());
                float value = max[row] + VectorMath.log(sum[row]);
                Native.putFloat(logSumExp.address(head) + 4 * target, value);
            }
        }
    }
}
