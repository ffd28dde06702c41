// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

/**
 * Which elements of the adapters' inputs are dropped in a micro-batch. Nothing is stored: a mask is a function of these
 * numbers and the module, so that backward, recomputation and a resumed run draw the same one.
 *
 * @param p probability of dropping, above 0
 * @param seed the run's seed
 * @param step optimizer steps done before this one
 * @param microBatch index in the step
 */
public record DropoutMasks(float p, long seed, long step, int microBatch) {

    private static final int MODULE_BITS = 16;
    private static final int MICRO_BATCH_BITS = 16;

    /** The random stream of the module with this ordinal. */
    public long stream(int moduleOrdinal) {
        return (step << (MODULE_BITS + MICRO_BATCH_BITS)) | ((long) microBatch << MODULE_BITS) | moduleOrdinal;
    }
}
