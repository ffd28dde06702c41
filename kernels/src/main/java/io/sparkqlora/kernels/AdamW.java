// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), as {@code torch.optim.AdamW} computes it, in F32. */
public interface AdamW {

    /**
     * Scalars as Python has them, in F64: {@code 1 − beta2} in F32 would be off by 1e-5.
     *
     * @param learningRate of this step
     * @param step counted from 1
     */
    record Settings(double learningRate, double beta1, double beta2, double eps, double weightDecay, long step) {}

    /**
     * Updates {@code parameter}, {@code m} and {@code v} in place from {@code g = scale · gradient}:
     * {@code parameter ← parameter · (1 − lr · weightDecay)}, {@code m ← m + (1 − beta1) · (g − m)},
     * {@code v ← beta2 · v + (1 − beta2) · g²}, then
     * {@code parameter ← parameter − lr / (1 − beta1^step) · m / (sqrt(v) / sqrt(1 − beta2^step) + eps)}. All contiguous F32 of
     * one size.
     *
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     */
    void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Settings settings);
}
