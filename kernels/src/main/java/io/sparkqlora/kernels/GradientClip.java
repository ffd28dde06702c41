// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Gradient norm and clipping without leaving the device. */
public interface GradientClip {

    /** {@code out[0] = Σ x²} of a contiguous F32 tensor, summed in F64 in a fixed order; {@code out} is F64 [1]. */
    void sumOfSquares(Tensor x, Tensor out);

    /** {@code out[0] += Σ x} of a contiguous F32 tensor, summed in F64 in a fixed order; {@code out} is F64 [1]. */
    void addSum(Tensor x, Tensor out);

    /**
     * PyTorch's {@code clip_grad_norm_}: {@code norm = sqrt(sumOfSquares)},
     * {@code scale = min(1, maxNorm / (norm + 1e-6))}, 1 where {@code maxNorm} is 0.
     *
     * @param sumOfSquares F64 [1]
     * @param normAndScale F32 [2], written
     */
    void clip(Tensor sumOfSquares, float maxNorm, Tensor normAndScale);
}
