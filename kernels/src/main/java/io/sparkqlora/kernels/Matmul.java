// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Matrix products. */
public interface Matmul {

    /**
     * {@code c = alpha · op(a) · op(b) + beta · c}, where {@code op} transposes when its flag is set.
     *
     * <p>{@code op(a)} is [m, k], {@code op(b)} is [k, n], {@code c} is [m, n]. {@code a} and {@code b} are both F32, both
     * BF16 or both F16, {@code c} is F32 or of their type, or of any where they are F32; sums are in F32, in an order that depends on the shapes and the device alone. With
     * {@code beta == 0} what {@code c} held is not read.
     */
    void multiply(Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c);

    /** The same of each matrix of stacks as high as one another, as if one by one. Bits of one don't depend on the others. */
    default void multiply(
            TensorStack a,
            boolean transposeA,
            TensorStack b,
            boolean transposeB,
            float alpha,
            float beta,
            TensorStack c) {
        for (int i = 0; i < c.count(); i++) {
            multiply(a.get(i), transposeA, b.get(i), transposeB, alpha, beta, c.get(i));
        }
    }

    /** {@code c = a · bᵀ}: a linear layer without bias, {@code b} being its weight [out, in]. */
    default void linear(Tensor a, Tensor b, Tensor c) {
        multiply(a, false, b, true, 1f, 0f, c);
    }
}
