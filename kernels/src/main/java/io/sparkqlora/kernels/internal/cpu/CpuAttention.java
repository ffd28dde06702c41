// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.internal.AttentionChecks;
import java.util.List;

/**
 * Attention in tiles: a thread takes a sequence and a key/value head at a time (in the forward pass some of its queries, since
 * they don't depend on each other), so no two threads write the same gradient and sums have one order.
 */
final class CpuAttention implements Attention {

    /** Queries of a forward item: enough to be worth staging the keys for. */
    private static final int FORWARD_CHUNK = 512;

    private final Workers workers;
    private final Products products;

    CpuAttention(Workers workers, Products products) {
        this.workers = workers;
        this.products = products;
    }

    @Override
    public void forward(
            Tensor q, Tensor k, Tensor v, Sequences sequences, Settings settings, Tensor out, Tensor logSumExp) {
        AttentionChecks.check(q, k, v, sequences, settings);
        AttentionTiles tiles = AttentionTiles.of(q.dtype(), settings, longest(sequences));
        List<AttentionItem> items = AttentionItem.of(sequences, settings.kvHeads(), FORWARD_CHUNK);
        eachItem(items, (item, scratch) -> {
            long memory = scratch.atLeast(AttentionForward.scratchBytes(tiles, item));
            new AttentionForward(tiles, settings, products, item, memory).run(q, k, v, out, logSumExp);
        });
    }

    @Override
    public void backward(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            Tensor logSumExp,
            Sequences sequences,
            Settings settings,
            Tensor dq,
            Tensor dk,
            Tensor dv) {
        AttentionChecks.check(q, k, v, sequences, settings);
        AttentionTiles tiles = AttentionTiles.of(q.dtype(), settings, longest(sequences));
        List<AttentionItem> items = AttentionItem.of(sequences, settings.kvHeads(), Integer.MAX_VALUE);
        var inputs = new AttentionBackward.Inputs(dOut, q, k, v, out, logSumExp);
        eachItem(items, (item, scratch) -> {
            long memory = scratch.atLeast(AttentionBackward.scratchBytes(tiles, item));
            new AttentionBackward(tiles, settings, products, item, memory).run(inputs, dq, dk, dv);
        });
    }

    private interface ItemBody {
        void run(AttentionItem item, NativeBuffer scratch);
    }

    private void eachItem(List<AttentionItem> items, ItemBody body) {
        workers.forRange(items.size(), 1, (from, to) -> {
            NativeBuffer scratch = products.borrowScratch();
            try {
                for (long i = from; i < to; i++) {
                    body.run(items.get((int) i), scratch);
                }
            } finally {
                products.giveBackScratch(scratch);
            }
        });
    }

    private static int longest(Sequences sequences) {
        int longest = 1;
        for (int s = 0; s + 1 < sequences.queryStarts().length; s++) {
            longest =
                    Math.max(longest, sequences.queryStarts()[s + 1] - sequences.queryStarts()[s]);
        }
        return longest;
    }
}
