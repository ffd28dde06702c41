// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DroppedLora;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.TrainingArguments;
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

    /** Random streams of a micro-batch: those of the linear layers, from 0 on, and the last one, of noise on the embeddings. */
    public static final long MODULES = 1L << 16;

    private static final int MODULE_BITS = 16;
    private static final int MICRO_BATCH_BITS = 16;

    /** Those of modules with these numbers. */
    DroppedLora.Masks of(List<Integer> ordinals) {
        return new DroppedLora.Masks(p, seed, streamBase, ordinals);
    }

    /**
     * The random numbers of one micro-batch, as the host names them.
     *
     * @param p dropout's probability, 0 for none
     * @param noiseAlpha of NEFTune, 0 for none
     * @param seed the run's seed
     * @param step optimizer steps done before this one
     * @param microBatch index in the step
     */
    public record Draw(float p, float noiseAlpha, long seed, long step, int microBatch) {

        /** Those of a run's micro-batch; null where nothing is random. */
        public static Draw of(double dropout, TrainingArguments arguments, long step, int microBatch) {
            float alpha = (float) arguments.neftuneNoiseAlpha();
            return dropout > 0 || alpha > 0
                    ? new Draw((float) dropout, alpha, arguments.seed(), step, microBatch)
                    : null;
        }

        /** Those of the run's first micro-batch. */
        public Draw first() {
            return new Draw(p, noiseAlpha, seed, 0, 0);
        }

        /** The random stream of module 0; module {@code i} has the {@code i}th after it. */
        public long streamBase() {
            return (step << (MODULE_BITS + MICRO_BATCH_BITS)) | ((long) microBatch << MODULE_BITS);
        }
    }
}
