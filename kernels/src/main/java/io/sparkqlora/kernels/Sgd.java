// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Stochastic gradient descent without momentum, as {@code torch.optim.SGD} computes it, in F32. */
public interface Sgd {

    /** Scalars as Python has them, in F64. */
    record Settings(double learningRate, double weightDecay) {

        /**
         * The scalars of an update, rounded before they meet a tensor.
         *
         * @return {@link #FACTORS} of them: {@code weightDecay}, {@code −lr}
         */
        public float[] factors() {
            return new float[] {(float) weightDecay, (float) -learningRate};
        }
    }

    /** Elements of {@link Settings#factors()}. */
    int FACTORS = 2;

    /**
     * {@code parameter ← parameter − lr · (scale · gradient + weightDecay · parameter)}: the decay is part of the gradient,
     * unlike AdamW's. Contiguous F32 of one size.
     *
     * @param normAndScale what {@link GradientClip#clip} wrote; its second element is the factor on the gradient
     * @param factors F32 vector [{@link #FACTORS}], what {@link Settings#factors()} gives for this step
     */
    void update(Tensor parameter, Tensor gradient, Tensor normAndScale, Tensor factors);
}
