// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.LoraGroup;
import io.sparkqlora.train.internal.linear.LoraSegments;
import io.sparkqlora.train.internal.linear.Pass;
import java.util.ArrayList;
import java.util.List;

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

    /**
     * Neighbouring targets of one adapter.
     *
     * @param from the first of the batch's targets
     * @param to the one after the last
     * @param lora the output projection's adapter, or null
     * @param masks its dropout, or null for none
     * @param labelSmoothing of the losses whose gradients are written
     * @param gradientScale gradients are those of so many times the sum of losses
     * @param lossSum F64 [1], in nats, added to
     */
    record Targets(
            long from,
            long to,
            LoraGroup lora,
            DropoutMasks masks,
            float labelSmoothing,
            float gradientScale,
            Tensor lossSum) {

        long count() {
            return to - from;
        }

        private Targets cut(long start, long end) {
            return new Targets(start, end, lora, masks, labelSmoothing, gradientScale, lossSum);
        }
    }

    /** Adds the losses, in nats. */
    void forward(Tensor hidden, Batch batch, LoraGroup lora, Tensor lossSum) {
        Targets all = new Targets(0, batch.targetRows().cols(), lora, null, 0f, 0f, lossSum);
        for (List<Targets> chunk : chunks(List.of(all))) {
            long mark = pass.arena().mark();
            Tensor losses = losses(chunk);
            Tensor rows = of(batch.targetRows(), chunk);
            Tensor logits = logits(rows);
            head.logits(hidden, rows, segments(chunk), logits);
            pass.ops().crossEntropy().forward(logits, of(batch.targetLabels(), chunk), softCap(), losses);
            pass.ops().gradientClip().addSum(losses, lossSum);
            pass.arena().release(mark);
        }
    }

    /**
     * Adds the losses and writes their gradients.
     *
     * @param targets all of the batch, in order
     * @param dHidden [tokens, hidden], written whole
     */
    void forwardBackward(Tensor hidden, Batch batch, List<Targets> targets, Tensor dHidden) {
        pass.ops().elementwise().zero(dHidden);
        for (List<Targets> chunk : chunks(targets)) {
            long mark = pass.arena().mark();
            Tensor losses = losses(chunk);
            Tensor rows = of(batch.targetRows(), chunk);
            Tensor logits = logits(rows);
            OutputHead.Kept kept = head.logits(hidden, rows, segments(chunk), logits);
            for (Targets piece : chunk) {
                losses(piece, chunk.get(0).from(), batch, logits, losses.colRange(0, piece.count()));
            }
            head.backward(kept, logits, dHidden);
            pass.arena().release(mark);
        }
    }

    /**
     * Writes the loss of each target, in nats.
     *
     * @param all of the batch
     * @param losses F32 vector
     */
    void each(Tensor hidden, Batch batch, Targets all, Tensor losses) {
        for (List<Targets> chunk : chunks(List.of(all))) {
            long mark = pass.arena().mark();
            Tensor rows = of(batch.targetRows(), chunk);
            Tensor logits = logits(rows);
            head.logits(hidden, rows, segments(chunk), logits);
            pass.ops().crossEntropy().forward(logits, of(batch.targetLabels(), chunk), softCap(), of(losses, chunk));
            pass.arena().release(mark);
        }
    }

    /**
     * Writes the gradients of the sum of losses, each by a factor of its own.
     *
     * @param all of the batch; its scale and its sum are not used
     * @param factors F32 vector
     * @param dHidden [tokens, hidden], written whole
     */
    void backward(Tensor hidden, Batch batch, Targets all, Tensor factors, Tensor dHidden) {
        pass.ops().elementwise().zero(dHidden);
        for (List<Targets> chunk : chunks(List.of(all))) {
            long mark = pass.arena().mark();
            Tensor losses = losses(chunk);
            Tensor rows = of(batch.targetRows(), chunk);
            Tensor logits = logits(rows);
            OutputHead.Kept kept = head.logits(hidden, rows, segments(chunk), logits);
            Tensor labels = of(batch.targetLabels(), chunk);
            pass.ops().crossEntropy().forwardBackward(logits, labels, softCap(), 0f, 1f, of(factors, chunk), losses);
            head.backward(kept, logits, dHidden);
            pass.arena().release(mark);
        }
    }

    /** Adds the losses of a piece; its logits become their gradients. */
    private void losses(Targets piece, long first, Batch batch, Tensor logits, Tensor losses) {
        Tensor own = logits.rowRange(piece.from() - first, piece.to() - first);
        Tensor labels = batch.targetLabels().colRange(piece.from(), piece.to());
        pass.ops()
                .crossEntropy()
                .forwardBackward(own, labels, softCap(), piece.labelSmoothing(), piece.gradientScale(), losses);
        pass.ops().gradientClip().addSum(losses, piece.lossSum());
    }

    private float softCap() {
        return head.model().config().traits().finalLogitSoftcapping();
    }

    /** One vector that a chunk's pieces use one after another: each begins where it is aligned. */
    private Tensor losses(List<Targets> chunk) {
        return pass.vector(chunk.stream().mapToLong(Targets::count).max().orElseThrow());
    }

    private Tensor logits(Tensor rows) {
        return pass.matrix(rows.cols(), head.model().config().vocabSize());
    }

    private static Tensor of(Tensor vector, List<Targets> chunk) {
        return vector.colRange(chunk.get(0).from(), chunk.get(chunk.size() - 1).to());
    }

    private static LoraSegments segments(List<Targets> chunk) {
        long first = chunk.get(0).from();
        return chunk.get(0).lora() == null
                ? null
                : new LoraSegments(chunk.stream()
                        .map(t -> new LoraSegments.Segment(t.from() - first, t.to() - first, t.lora(), t.masks()))
                        .toList());
    }

    /**
     * Each adapter's targets are cut as if they were alone, since dropout counts the rows of a piece; pieces that fit go
     * together.
     */
    private List<List<Targets>> chunks(List<Targets> all) {
        long most = chunkRows();
        List<List<Targets>> chunks = new ArrayList<>();
        long room = 0;
        for (Targets targets : all) {
            for (long from = targets.from(); from < targets.to(); from += most) {
                Targets piece = targets.cut(from, Math.min(targets.to(), from + most));
                if (piece.count() > room) {
                    chunks.add(new ArrayList<>());
                    room = most;
                }
                chunks.get(chunks.size() - 1).add(piece);
                room -= piece.count();
            }
        }
        return chunks;
    }

    private long chunkRows() {
        long rows = CHUNK_BYTES
                / ((long) head.model().config().vocabSize() * pass.dtype().bytes());
        return Math.max(1, rows >= ROW_STEP ? rows / ROW_STEP * ROW_STEP : rows);
    }
}
