// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * What a weight needs whose rows have their length apart from their direction: DoRA (Liu et al., 2024), whose layers have
 * {@code y = u · m / ‖W + scaling · B·A‖} with {@code u = x·(W + scaling · B·A)ᵀ}, column by column; the norm counts as constant in
 * gradients. Matrices are F32 or BF16 with any row stride, vectors F32.
 */
public interface WeightNorm {

    /**
     * {@code norms[i] = ‖w[i, :]‖₂}, sums in F32.
     *
     * @param w [rows, cols]
     * @param norms vector [rows]
     */
    void rowNorms(Tensor w, Tensor norms);

    /** {@code quotient[i] = magnitude[i] / norms[i]}, vectors of one size. */
    void divide(Tensor magnitude, Tensor norms, Tensor quotient);

    /**
     * {@code y[i, j] = x[i, j] · (factors[j] + offset)}, or with {@code add} so much more than it was.
     *
     * @param factors vector [cols]
     * @param y of x's shape; may be {@code x} without {@code add}
     */
    void scaleColumns(Tensor x, Tensor factors, float offset, boolean add, Tensor y);

    /** {@code w[i, j] *= factors[i]}, {@code factors} being a vector [rows]. */
    void scaleRows(Tensor w, Tensor factors);

    /**
     * The gradient of the magnitudes: {@code gradient[j] += Σ_i dy[i, j] · u[i, j] / norms[j]}, rows added up in an order that depends
     * on the shape alone.
     *
     * @param u of dy's shape
     * @param norms vector [cols]
     * @param gradient vector [cols]
     */
    void gradient(Tensor dy, Tensor u, Tensor norms, Tensor gradient);
}
