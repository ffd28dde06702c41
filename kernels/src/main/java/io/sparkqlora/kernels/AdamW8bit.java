// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * AdamW whose moments are held in 8 bits, as bitsandbytes' {@code AdamW8bit} does (Dettmers et al., 8-bit Optimizers via
 * Block-wise Quantization, 2022): codes of the {@link DynamicMap}, one F32 scale for 256 neighbouring elements of a tensor.
 *
 * <p>Order and rounding are those of bitsandbytes 0.50's CPU implementation, bit for bit: the parameter decays before it is
 * updated, and a code is found through 65,536 bins of [−1, 1] (so of a second moment below 1.5e-5 of the block's largest, that
 * value is kept). bitsandbytes' CUDA kernel differs in the last bits: it decays after the update and looks for the nearest code.
 */
public interface AdamW8bit {

    /** Elements that share a scale. */
    int BLOCK_SIZE = 256;

    /**
     * A moment of some blocks.
     *
     * @param codes U8 vector, one of each element
     * @param absmax F32 vector, the scale of each block
     */
    record Moment(Tensor codes, Tensor absmax) {}

    /**
     * Updates {@code parameter} and both moments in place, block by block. With {@code g = scale · gradient},
     * {@code m = beta1 · (map[code] · absmax) + (1 − beta1) · g} and {@code v} likewise of {@code g²}, the parameter becomes
     * {@code parameter · (1 − lr · weightDecay) − lr / (1 − beta1^step) · m / (sqrt(v) / sqrt(1 − beta2^step) + eps)}. Then
     * {@code absmax} is the largest magnitude of the block and {@code code} that of {@code m / absmax}. Codes and scales of a
     * moment that has seen no step are 0.
     *
     * @param parameter F32 vector
     * @param gradient F32 vector of the same size
     * @param m first moment, in codes of the signed map
     * @param v second moment, in codes of the unsigned map
     * @param blocks I32 [blocks, 2]: the first element of a block and its count, at most {@link #BLOCK_SIZE}. Elements outside
     *     all blocks stay as they are
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     * @param factors F32 vector [{@link AdamW#FACTORS}], what {@link AdamW.Settings#factors()} gives for this step
     */
    void update(
            Tensor parameter, Tensor gradient, Moment m, Moment v, Tensor blocks, Tensor normAndScale, Tensor factors);
}
