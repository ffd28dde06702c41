// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * Which elements of the adapters' inputs are dropped in a micro-batch. Nothing is stored: a mask is a function of these
 * numbers and the module, so that backward, recomputation and a resumed run draw the same one.
 *
 * @param p probability of dropping, above 0
 * @param seed the run's seed
 * @param streamBase I64 [1]: what {@link Draw#streamBase} gave, on the device, so that nothing of a layer's operations
 *     changes from step to step
 */
public record DropoutMasks(float p, long seed, Tensor streamBase) {

    private static final int MODULE_BITS = 16;
    private static final int MICRO_BATCH_BITS = 16;

    /** Those of modules with these numbers. */
    DroppedLora.Masks of(List<Integer> ordinals) {
        return new DroppedLora.Masks(p, seed, streamBase, ordinals);
    }

    /**
     * The masks of one micro-batch, as the host names them.
     *
     * @param p probability of dropping, above 0
     * @param seed the run's seed
     * @param step optimizer steps done before this one
     * @param microBatch index in the step
     */
    public record Draw(float p, long seed, long step, int microBatch) {

        /** The random stream of module 0; module {@code i} has the {@code i}th after it. */
        public long streamBase() {
            return (step << (MODULE_BITS + MICRO_BATCH_BITS)) | ((long) microBatch << MODULE_BITS);
        }
    }
}
