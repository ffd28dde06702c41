// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.Pass;

/**
 * The loss over the vocabulary, only for rows that count and a chunk of them at a time: logits of a whole batch never
 * exist. Losses are added up on the device, chunk after chunk, in F64 [1]: nothing waits for them.
 */
record LossHead(Pass pass, OutputHead head) {

    /**
     * Size of a chunk's logits. Of 128,000 words that is 512 rows: the gradient's product, whose output is a hidden state wide, has
     * just tiles enough for a GPU then, at half of them it runs at half the speed. Small beside what a layer takes backward.
     */
    private static final long CHUNK_BYTES = 128L << 20;

    /** Chunks are multiples of this many rows where they can be. */
    private static final long ROW_STEP = 64;

    /** What to do with a chunk's logits besides its losses. */
    private interface ChunkLoss {
        void run(Tensor rows, Tensor labels, Tensor losses);
    }

    /** Adds the losses, in nats. */
    void forward(Tensor hidden, Batch batch, Tensor lossSum) {
        add(batch, lossSum, (rows, labels, losses) -> {
            Tensor logits = logits(rows);
            head.logits(hidden, rows, logits);
            pass.ops().crossEntropy().forward(logits, labels, 0f, losses);
        });
    }

    /**
     * Adds the losses, in nats; writes the gradient of {@code gradientScale} times their sum.
     *
     * @param dHidden [tokens, hidden], written whole
     */
    void forwardBackward(Tensor hidden, Batch batch, float gradientScale, Tensor lossSum, Tensor dHidden) {
        pass.ops().elementwise().zero(dHidden);
        add(batch, lossSum, (rows, labels, losses) -> {
            Tensor logits = logits(rows);
            OutputHead.Kept kept = head.logits(hidden, rows, logits);
            pass.ops().crossEntropy().forwardBackward(logits, labels, 0f, gradientScale, losses);
            head.backward(kept, logits, dHidden);
        });
    }

    private Tensor logits(Tensor rows) {
        return pass.matrix(rows.cols(), head.model().config().vocabSize());
    }

    private void add(Batch batch, Tensor lossSum, ChunkLoss loss) {
        long targets = batch.targetRows().cols();
        long chunk = chunkRows();
        for (long from = 0; from < targets; from += chunk) {
            chunk(batch, from, Math.min(targets, from + chunk), loss, lossSum);
        }
    }

    private void chunk(Batch batch, long from, long to, ChunkLoss loss, Tensor lossSum) {
        long mark = pass.arena().mark();
        Tensor losses = pass.vector(to - from);
        loss.run(batch.targetRows().colRange(from, to), batch.targetLabels().colRange(from, to), losses);
        pass.ops().gradientClip().addSum(losses, lossSum);
        pass.arena().release(mark);
    }

    private long chunkRows() {
        long rows = CHUNK_BYTES
                / ((long) head.model().config().vocabSize() * pass.dtype().bytes());
        return Math.max(1, rows >= ROW_STEP ? rows / ROW_STEP * ROW_STEP : rows);
    }
}
