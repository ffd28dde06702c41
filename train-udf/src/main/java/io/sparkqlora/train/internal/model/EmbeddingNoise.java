// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.model;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.DropoutMasks;
import io.sparkqlora.train.internal.linear.Pass;
import java.util.List;

/**
 * NEFTune (Jain et al., 2023): while training, uniform noise of ±{@code alpha / √(L · d)} on the embeddings, {@code d} being
 * their width and {@code L} the length of the token's sequence. So packing changes nothing about its size; transformers takes
 * the length of the padded batch.
 */
final class EmbeddingNoise {

    /** Of the numbers that a micro-batch draws: no linear layer has this number. */
    private static final long STREAM = DropoutMasks.MODULES - 1;

    private EmbeddingNoise() {}

    /** How far the noise of each token goes, as the bits of an F32; empty where no part has noise. */
    static int[] bounds(List<BatchPart> parts, int hiddenSize) {
        if (parts.stream().allMatch(part -> alpha(part) == 0)) {
            return new int[0];
        }
        int[] bounds =
                new int[parts.stream().mapToInt(part -> part.rows().tokens()).sum()];
        int at = 0;
        for (BatchPart part : parts) {
            int[] starts = part.rows().starts();
            for (int s = 1; s < starts.length; s++) {
                int length = starts[s] - starts[s - 1];
                int bound = Float.floatToIntBits((float) (alpha(part) / Math.sqrt((double) length * hiddenSize)));
                for (int i = 0; i < length; i++) {
                    bounds[at++] = bound;
                }
            }
        }
        return bounds;
    }

    private static float alpha(BatchPart part) {
        return part.draw() == null ? 0 : part.draw().noiseAlpha();
    }

    /**
     * Adds it to the rows of a part.
     *
     * @param bounds of all tokens
     * @param from the part's first token
     */
    static void add(Pass pass, Tensor rows, Tensor bounds, long from, long seed, Tensor streamBase) {
        long at = bounds.byteOffset() + from * Float.BYTES;
        Tensor own = new Tensor(bounds.memory(), at, DType.F32, 1, rows.rows(), rows.rows());
        pass.ops().rowNoise().add(rows, own, seed, streamBase, STREAM);
    }
}
