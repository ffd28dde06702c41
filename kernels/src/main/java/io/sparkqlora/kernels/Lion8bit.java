// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * {@link Lion} whose moment is held in 8 bits, as bitsandbytes' {@code Lion8bit} does: codes of the signed {@link DynamicMap},
 * one F32 scale for {@link AdamW8bit#BLOCK_SIZE} neighbouring elements of a tensor. Order and rounding are those of
 * bitsandbytes 0.50's CPU implementation, bit for bit.
 */
public interface Lion8bit {

    /**
     * Updates {@code parameter} and the moment in place, block by block, as {@link Lion#update} of the decoded moment. Then
     * {@code absmax} is the largest magnitude of the block and {@code code} that of {@code m / absmax}. Codes and scales of a
     * moment that has seen no step are 0.
     *
     * @param parameter F32 vector
     * @param gradient F32 vector of the same size
     * @param m in codes of the signed map
     * @param blocks as of {@link AdamW8bit#update}
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     * @param factors F32 vector [{@link Lion#FACTORS}], what {@link Lion.Settings#factors()} gives for this step
     */
    void update(
            Tensor parameter, Tensor gradient, AdamW8bit.Moment m, Tensor blocks, Tensor normAndScale, Tensor factors);
}
