// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.Attention;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A micro-batch on the device. All vectors are I32.
 *
 * @param inputIds tokens
 * @param positions of each token in its sequence
 * @param sequences where they lie
 * @param targetRows rows of the hidden states whose prediction counts
 * @param targetLabels the tokens to predict
 * @param masks dropout, or null for none
 */
public record Batch(
        Tensor inputIds,
        Tensor positions,
        Attention.Sequences sequences,
        Tensor targetRows,
        Tensor targetLabels,
        DropoutMasks masks) {

    /** Copies a batch to the device, in one transfer, without dropout. */
    public static Batch upload(Pass pass, HostBatch host) {
        return upload(pass, host, null);
    }

    /**
     * Copies a batch to the device, in one transfer.
     *
     * @param draw dropout, or null for none
     */
    public static Batch upload(Pass pass, HostBatch host, DropoutMasks.Draw draw) {
        long base = draw == null ? 0 : draw.streamBase();
        int[] stream = {(int) base, (int) (base >> Integer.SIZE)}; // first, where the arena aligns it
        int[][] parts = {
            stream, host.inputIds(), host.positions(), host.starts(), host.targetRows(), host.targetLabels()
        };
        Tensor[] tensors = upload(pass, parts);
        Attention.Sequences sequences = new Attention.Sequences(host.starts(), host.starts(), tensors[3], tensors[3]);
        return new Batch(tensors[1], tensors[2], sequences, tensors[4], tensors[5], masks(draw, tensors[0]));
    }

    private static DropoutMasks masks(DropoutMasks.Draw draw, Tensor stream) {
        Tensor base = new Tensor(stream.memory(), stream.byteOffset(), DType.I64, 1, 1, 1);
        return draw == null ? null : new DropoutMasks(draw.p(), draw.seed(), base);
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
