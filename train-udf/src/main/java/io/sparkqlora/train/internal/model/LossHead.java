// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.Pass;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The loss over the vocabulary, only for rows that count and a chunk of them at a time: logits of a whole batch never
 * exist.
 */
record LossHead(Pass pass, OutputHead head) {

    /** Size of a chunk's logits; big enough for an efficient product, small beside a layer's activations. */
    private static final long CHUNK_BYTES = 64L << 20;

    /** Chunks are multiples of this many rows where they can be. */
    private static final long ROW_STEP = 64;

    /** What to do with a chunk's logits besides its losses. */
    private interface ChunkLoss {
        void run(Tensor rows, Tensor labels, Tensor losses);
    }

    /** The sum of losses, in nats. */
    double forward(Tensor hidden, Batch batch) {
        return sum(batch, (rows, labels, losses) -> {
            Tensor logits = logits(rows);
            head.logits(hidden, rows, logits);
            pass.ops().crossEntropy().forward(logits, labels, 0f, losses);
        });
    }

    /**
     * The sum of losses; writes the gradient of {@code gradientScale} times it.
     *
     * @param dHidden [tokens, hidden], written whole
     */
    double forwardBackward(Tensor hidden, Batch batch, float gradientScale, Tensor dHidden) {
        pass.ops().elementwise().zero(dHidden);
        return sum(batch, (rows, labels, losses) -> {
            Tensor logits = logits(rows);
            OutputHead.Kept kept = head.logits(hidden, rows, logits);
            pass.ops().crossEntropy().forwardBackward(logits, labels, 0f, gradientScale, losses);
            head.backward(kept, logits, dHidden);
        });
    }

    private Tensor logits(Tensor rows) {
        return pass.matrix(rows.cols(), head.model().config().vocabSize());
    }

    private double sum(Batch batch, ChunkLoss loss) {
        long targets = batch.targetRows().cols();
        if (targets == 0) {
            return 0;
        }
        long chunk = chunkRows();
        long chunks = (targets + chunk - 1) / chunk;
        long mark = pass.arena().mark();
        Tensor sums = pass.arena().take(DType.F64, 1, chunks);
        for (long i = 0; i < chunks; i++) {
            long to = Math.min(targets, (i + 1) * chunk);
            chunk(batch, i * chunk, to, loss, sums.colRange(i, i + 1));
        }
        double total = total(sums);
        pass.arena().release(mark);
        return total;
    }

    private void chunk(Batch batch, long from, long to, ChunkLoss loss, Tensor sum) {
        long mark = pass.arena().mark();
        Tensor losses = pass.vector(to - from);
        loss.run(batch.targetRows().colRange(from, to), batch.targetLabels().colRange(from, to), losses);
        pass.ops().gradientClip().sum(losses, sum);
        pass.arena().release(mark);
    }

    private long chunkRows() {
        long rows = CHUNK_BYTES
                / ((long) head.model().config().vocabSize() * pass.dtype().bytes());
        return Math.max(1, rows >= ROW_STEP ? rows / ROW_STEP * ROW_STEP : rows);
    }

    private double total(Tensor sums) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(Math.toIntExact(sums.bytes())).order(ByteOrder.LITTLE_ENDIAN);
        pass.device().copyOut(sums, bytes);
        double total = 0;
        while (bytes.hasRemaining()) {
            total += bytes.getDouble();
        }
        return total;
    }
}
