// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Operations on each element. Shapes are equal, strides and types (F32, BF16, F16) may differ unless said otherwise. */
public interface Elementwise {

    /**
     * {@code out = source}, rounded to nearest even where the type is narrower. Where the types are the same, whichever they
     * are, it copies.
     */
    void cast(Tensor source, Tensor out);

    /** {@code out = a + b}; {@code out} may be {@code a} or {@code b}. */
    void add(Tensor a, Tensor b, Tensor out);

    /** {@code out[i, :] += bias}, {@code bias} being a vector of as many elements as {@code out} has columns. */
    void addBias(Tensor out, Tensor bias);

    /** {@code sums[j] += Σ_i x[i, j]}, {@code sums} being an F32 vector: rows are added up in an order that depends on the shape alone. */
    void addColumnSums(Tensor x, Tensor sums);

    /** {@code out = scale · source}; {@code out} may be {@code source}. */
    void scale(Tensor source, float scale, Tensor out);

    /** {@code out = softCap · tanh(source / softCap)}; {@code out} may be {@code source}. */
    void softCap(Tensor source, float softCap, Tensor out);

    /** Sets every element to zero. Any type. */
    void zero(Tensor out);
}
