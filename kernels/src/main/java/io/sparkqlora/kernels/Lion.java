// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Lion (Chen et al., Symbolic Discovery of Optimization Algorithms, 2023), as bitsandbytes computes it, in F32. */
public interface Lion {

    /** Scalars as Python has them, in F64. */
    record Settings(double learningRate, double beta1, double beta2, double weightDecay) {

        /**
         * The scalars of an update, worked out in F64 and rounded before they meet a tensor.
         *
         * @return {@link #FACTORS} of them: {@code 1 − lr · weightDecay}, {@code beta1}, {@code 1 − beta1}, {@code beta2},
         *     {@code 1 − beta2}, {@code lr}
         */
        public float[] factors() {
            return new float[] {
                (float) (1 - learningRate * weightDecay),
                (float) beta1,
                (float) (1 - beta1),
                (float) beta2,
                (float) (1 - beta2),
                (float) learningRate
            };
        }
    }

    /** Elements of {@link Settings#factors()}. */
    int FACTORS = 6;

    /**
     * Updates {@code parameter} and {@code m} in place from {@code g = scale · gradient}:
     * {@code parameter ← parameter · (1 − lr · weightDecay) − lr · sign(beta1 · m + (1 − beta1) · g)}, then
     * {@code m ← beta2 · m + (1 − beta2) · g}. The sign of zero is zero. All contiguous F32 of one size.
     *
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     * @param factors F32 vector [{@link #FACTORS}], what {@link Settings#factors()} gives for this step
     */
    void update(Tensor parameter, Tensor gradient, Tensor m, Tensor normAndScale, Tensor factors);
}
