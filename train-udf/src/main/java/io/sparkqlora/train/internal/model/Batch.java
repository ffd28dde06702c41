// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * A micro-batch on the device. All vectors are I32.
 *
 * @param inputIds tokens
 * @param ropeRows of each token in the rotary embedding's tables
 * @param sequences where they lie
 * @param targetRows rows of the hidden states whose prediction counts
 * @param targetLabels the tokens to predict
 * @param targetStarts of pairs: sequence {@code s} owns targets {@code targetStarts[s]} to {@code targetStarts[s + 1]}; else empty
 * @param streams where random streams begin, two halves for each part of the micro-batch
 * @param tokenOrder the numbers of the tokens, those of one id side by side; empty where no gradient of embeddings is needed
 * @param noise the bits of an F32 for each token, how far noise on its embedding goes; empty where no part has any
 */
public record Batch(
        Tensor inputIds,
        Tensor ropeRows,
        Attention.Sequences sequences,
        Tensor targetRows,
        Tensor targetLabels,
        Tensor targetStarts,
        Tensor streams,
        Tensor tokenOrder,
        Tensor noise) {

    /** Copies a batch to the device, in one transfer, without anything random. */
    public static Batch upload(Pass pass, RopeTables rope, HostBatch host) {
        return upload(pass, rope, host, new int[2], new int[0], new int[0], false);
    }

    /** The same of pairs. */
    static Batch uploadPairs(Pass pass, RopeTables rope, HostBatch host) {
        return upload(pass, rope, host, new int[2], new int[0], new int[0], true);
    }

    /** Copies a micro-batch to the device, in one transfer. */
    static Batch upload(Pass pass, RopeTables rope, int hiddenSize, List<BatchPart> parts) {
        int[] streams = new int[2 * parts.size()];
        for (int i = 0; i < parts.size(); i++) {
            DropoutMasks.Draw draw = parts.get(i).draw();
            long base = draw == null ? 0 : draw.streamBase();
            streams[2 * i] = (int) base;
            streams[2 * i + 1] = (int) (base >> Integer.SIZE);
        }
        HostBatch rows = HostBatch.joined(parts.stream().map(BatchPart::rows).toList());
        boolean pairs = parts.get(0).preference() != null;
        boolean embedding = parts.get(0).adapter().saved().embedding() != null;
        int[] order = embedding ? rows.tokenOrder() : new int[0];
        return upload(pass, rope, rows, streams, order, EmbeddingNoise.bounds(parts, hiddenSize), pairs);
    }

    private static Batch upload(
            Pass pass, RopeTables rope, HostBatch host, int[] streams, int[] order, int[] noise, boolean pairs) {
        int[][] parts = { // streams first, where the arena aligns them
            streams,
            host.inputIds(),
            rope.rows(host),
            host.starts(),
            host.targetRows(),
            host.targetLabels(),
            noise,
            pairs ? host.targetStarts() : new int[0],
            order
        };
        Tensor[] tensors = upload(pass, parts);
        Attention.Sequences sequences = new Attention.Sequences(host.starts(), host.starts(), tensors[3], tensors[3]);
        return new Batch(
                tensors[1],
                tensors[2],
                sequences,
                tensors[4],
                tensors[5],
                tensors[7],
                tensors[0],
                tensors[8],
                tensors[6]);
    }

    /** Adds the noise of parts that have some to the embeddings of all. */
    void addNoise(Pass pass, List<BatchPart> parts, Tensor embeddings) {
        long from = 0;
        for (int i = 0; i < parts.size(); i++) {
            long to = from + parts.get(i).rows().tokens();
            DropoutMasks.Draw draw = parts.get(i).draw();
            if (draw != null && draw.noiseAlpha() > 0) {
                EmbeddingNoise.add(pass, embeddings.rowRange(from, to), noise, from, draw.seed(), stream(i));
            }
            from = to;
        }
    }

    /** The masks of part {@code index}; null if it has none. */
    DropoutMasks masks(int index, DropoutMasks.Draw draw) {
        return draw == null || draw.p() == 0 ? null : new DropoutMasks(draw.p(), draw.seed(), stream(index));
    }

    private Tensor stream(int index) {
        long at = streams.byteOffset() + (long) index * Long.BYTES;
        return new Tensor(streams.memory(), at, DType.I64, 1, 1, 1);
    }

    /** Copies vectors of integers to the device, in one transfer. */
    public static Tensor[] upload(Pass pass, int[]... parts) {
        int total = 0;
        for (int[] part : parts) {
            total += part.length;
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect(total * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        Tensor all = pass.arena().take(DType.I32, 1, total);
        Tensor[] tensors = new Tensor[parts.length];
        int from = 0;
        for (int i = 0; i < parts.length; i++) {
            bytes.asIntBuffer().put(from, parts[i]);
            tensors[i] = all.colRange(from, from + parts[i].length);
            from += parts[i].length;
        }
        pass.device().copyIn(bytes, all);
        return tensors;
    }

    /** Tokens. */
    public long tokens() {
        return inputIds.cols();
    }
}
