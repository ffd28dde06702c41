// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static io.sparkqlora.kernels.internal.cpu.AttentionTiles.KEYS;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import java.util.Arrays;

/**
 * One sequence and key/value head of the backward pass. Scores are computed again, transposed: a row of the tile belongs to a
 * key, so that the rows' constants (logSumExp, delta) lie along the vector lanes and the gradients of keys and values are
 * plain products. With {@code P} the probabilities and {@code delta = Σ dO · O}:
 * {@code dV = Pᵀ · dO}, {@code dS = P · (dO · Vᵀ − delta) · scale}, {@code dQ = dS · K}, {@code dK = dSᵀ · Q}.
 */
final class AttentionBackward {

    private final AttentionTiles tiles;
    private final Attention.Settings settings;
    private final Products products;
    private final AttentionItem item;
    private final int rows;
    private final int padded;
    private final long keys;
    private final long values;
    private final long keyGradients;
    private final long valueGradients;
    private final long queries;
    private final long outputGradients;
    private final long scores;
    private final long scoreGradients;
    private final long queryGradients;
    private final float[] tile;
    private final float[] gradientTile;
    private final float[] logSumExps;
    private final float[] deltas;

    /** @param scratch at least {@link #scratchBytes}, kept while the item runs */
    AttentionBackward(
            AttentionTiles tiles, Attention.Settings settings, Products products, AttentionItem item, long scratch) {
        this.tiles = tiles;
        this.settings = settings;
        this.products = products;
        this.item = item;
        this.rows = tiles.rows();
        this.padded = AttentionTiles.padded(item.keys());
        Slices slices = new Slices(scratch);
        long element = tiles.dtype().bytes();
        long elements = (long) padded * tiles.width();
        keys = slices.next(element * elements);
        values = slices.next(element * elements);
        keyGradients = slices.next(4 * elements);
        valueGradients = slices.next(4 * elements);
        queries = slices.next(element * rows * tiles.width());
        outputGradients = slices.next(element * rows * tiles.width());
        scores = slices.next(4L * rows * KEYS);
        scoreGradients = slices.next(4L * rows * KEYS);
        queryGradients = slices.next(4L * rows * tiles.width());
        tile = new float[rows * KEYS];
        gradientTile = new float[rows * KEYS];
        logSumExps = new float[rows];
        deltas = new float[rows];
    }

    static long scratchBytes(AttentionTiles tiles, AttentionItem item) {
        long staged = (long) AttentionTiles.padded(item.keys()) * tiles.width();
        long row = 3L * tiles.width() + 2L * KEYS;
        return 4 * (4 * staged + tiles.rows() * row) + Slices.SLACK;
    }

    /** What is read. */
    record Inputs(Tensor dOut, Tensor q, Tensor k, Tensor v, Tensor out, Tensor logSumExp) {}

    void run(Inputs in, Tensor dq, Tensor dk, Tensor dv) {
        HeadRows.gather(in.k(), item.keyStart(), item.keys(), item.kvHead(), tiles, keys, padded);
        HeadRows.gather(in.v(), item.keyStart(), item.keys(), item.kvHead(), tiles, values, padded);
        Native.fill(keyGradients, 4L * padded * tiles.width(), (byte) 0);
        Native.fill(valueGradients, 4L * padded * tiles.width(), (byte) 0);
        for (int query = 0; query < item.queries(); query += tiles.queries()) {
            int count = Math.min(tiles.queries(), item.queries() - query);
            stage(in, query, count);
            tilesOf(query, count);
            storeQueryGradients(query, count, dq);
        }
        HeadRows.scatter(keyGradients, dk, item.keyStart(), item.keys(), item.kvHead(), tiles);
        HeadRows.scatter(valueGradients, dv, item.keyStart(), item.keys(), item.kvHead(), tiles);
    }

    private void stage(Inputs in, int query, int count) {
        long row = (long) item.queryStart() + query;
        HeadRows.gatherGroup(in.q(), row, count, item.kvHead(), tiles, queries);
        HeadRows.gatherGroup(in.dOut(), row, count, item.kvHead(), tiles, outputGradients);
        Arrays.fill(deltas, 0f);
        HeadRows.dots(in.dOut(), in.out(), row, count, item.kvHead(), tiles, deltas);
        // rows past the end: e^(score − ∞) is 0
        Arrays.fill(logSumExps, Float.POSITIVE_INFINITY);
        for (int g = 0; g < tiles.group(); g++) {
            int head = item.kvHead() * tiles.group() + g;
            Native.load(in.logSumExp().address(head) + 4 * row, logSumExps, g * tiles.queries(), count);
        }
    }

    private void tilesOf(int query, int count) {
        int first = item.firstKey(query, settings.window()) / KEYS * KEYS;
        int end = item.position(query + count - 1) + 1;
        for (int key = first; key < end; key += KEYS) {
            long offset = (long) key * tiles.width();
            long bytes = offset * tiles.dtype().bytes();
            products.run(tiles.transposedScores(), keys + bytes, queries, scores);
            products.run(tiles.transposedScores(), values + bytes, outputGradients, scoreGradients);
            elementwise(query, count, key);
            products.run(tiles.keyGradient(), scores, outputGradients, valueGradients + 4 * offset);
            products.run(tiles.keyGradient(), scoreGradients, queries, keyGradients + 4 * offset);
            products.run(tiles.queryGradient(key > first ? 1f : 0f), scoreGradients, keys + bytes, queryGradients);
        }
    }

    /** Turns scores into probabilities and their gradients into those of the scores, narrowed to the inputs' type in place. */
    private void elementwise(int query, int count, int key) {
        Native.load(scores, tile, 0, rows * KEYS);
        Native.load(scoreGradients, gradientTile, 0, rows * KEYS);
        float scale = settings.scale();
        if (settings.softCap() == 0f) {
            SoftmaxRows.gradients(tile, gradientTile, rows, logSumExps, deltas, scale);
        } else {
            SoftmaxRows.cappedGradients(tile, gradientTile, rows, logSumExps, deltas, scale, settings.softCap());
        }
        for (int j = 0; j < KEYS; j++) {
            hide(query, count, key + j, j * rows);
        }
        Rows.store(tile, 0, rows * KEYS, tiles.dtype(), scores);
        Rows.store(gradientTile, 0, rows * KEYS, tiles.dtype(), scoreGradients);
    }

    /** Zeroes what stands at queries that don't see {@code key}: those before it, and those whose window has passed it. */
    private void hide(int query, int count, int key, int at) {
        int firstSeeing = clamp(key - item.position(query), count);
        int end = settings.window() == 0 ? count : clamp(key + settings.window() - item.position(query), count);
        if (firstSeeing == 0 && end == count) {
            return;
        }
        for (int g = 0; g < tiles.group(); g++) {
            int block = at + g * tiles.queries();
            zero(block, block + firstSeeing);
            zero(block + end, block + count);
        }
    }

    private static int clamp(int query, int count) {
        return Math.max(0, Math.min(count, query));
    }

    private void zero(int from, int to) {
        if (from < to) {
            Arrays.fill(tile, from, to, 0f);
            Arrays.fill(gradientTile, from, to, 0f);
        }
    }

    private void storeQueryGradients(int query, int count, Tensor dq) {
        long block = (long) DType.F32.bytes() * tiles.queries() * tiles.width();
        for (int g = 0; g < tiles.group(); g++) {
            int head = item.kvHead() * tiles.group() + g;
            HeadRows.scatter(queryGradients + g * block, dq, (long) item.queryStart() + query, count, head, tiles);
        }
    }
}
