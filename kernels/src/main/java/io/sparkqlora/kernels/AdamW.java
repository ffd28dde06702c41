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
    record Settings(double learningRate, double beta1, double beta2, double eps, double weightDecay, long step) {

        public Settings {
            if (step < 1) {
                throw new IllegalArgumentException("steps are counted from 1, not " + step);
            }
        }

        /**
         * The scalars of an update, worked out in F64 and rounded where PyTorch rounds them, before they meet a tensor. They
         * reach the device as a tensor, so that what is issued in one step is the same as in the next.
         *
         * @return {@link #FACTORS} of them: {@code 1 − lr · weightDecay}, {@code beta1}, {@code 1 − beta1}, {@code beta2},
         *     {@code 1 − beta2}, {@code sqrt(1 − beta2^step)}, {@code eps}, {@code −lr / (1 − beta1^step)}
         */
        public float[] factors() {
            // StrictMath, since Math.pow may round differently once it is compiled
            double correction1 = 1 - StrictMath.pow(beta1, step);
            double correction2 = 1 - StrictMath.pow(beta2, step);
            return new float[] {
                (float) (1 - learningRate * weightDecay),
                (float) beta1,
                (float) (1 - beta1),
                (float) beta2,
                (float) (1 - beta2),
                (float) Math.sqrt(correction2),
                (float) eps,
                (float) (-learningRate / correction1)
            };
        }
    }

    /** Elements of {@link Settings#factors()}. */
    int FACTORS = 8;

    /**
     * Updates {@code parameter}, {@code m} and {@code v} in place from {@code g = scale · gradient}:
     * {@code parameter ← parameter · (1 − lr · weightDecay)}, {@code m ← m + (1 − beta1) · (g − m)},
     * {@code v ← beta2 · v + (1 − beta2) · g²}, then
     * {@code parameter ← parameter − lr / (1 − beta1^step) · m / (sqrt(v) / sqrt(1 − beta2^step) + eps)}. All contiguous F32 of
     * one size.
     *
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     * @param factors F32 vector [{@link #FACTORS}], what {@link Settings#factors()} gives for this step
     */
    void update(Tensor parameter, Tensor gradient, Tensor m, Tensor v, Tensor normAndScale, Tensor factors);
}
