// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), as {@code torch.optim.AdamW} computes it, in F32. */
public interface AdamW {

    /**
     * @param learningRate of this step
     * @param step counted from 1
     */
    record Settings(float learningRate, float beta1, float beta2, float eps, float weightDecay, long step) {}

    /**
     * Updates {@code parameter}, {@code m} and {@code v} in place from {@code scale · gradient}. All contiguous F32 of one size.
     *
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     */
    void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Settings settings);
}
