// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Matrix products. */
public interface Matmul {

    /**
     * {@code c = alpha · op(a) · op(b) + beta · c}, where {@code op} transposes when its flag is set.
     *
     * <p>{@code op(a)} is [m, k], {@code op(b)} is [k, n], {@code c} is [m, n]. {@code a} and {@code b} are both F32 or both
     * BF16, {@code c} is F32 or BF16; sums are in F32, in an order that depends on the shapes and the device alone. With
     * {@code beta == 0} what {@code c} held is not read.
     */
    void multiply(Tensor a, boolean transposeA, Tensor b, boolean transposeB, float alpha, float beta, Tensor c);

    /** {@code c = a · bᵀ}: a linear layer without bias, {@code b} being its weight [out, in]. */
    default void linear(Tensor a, Tensor b, Tensor c) {
        multiply(a, false, b, true, 1f, 0f, c);
    }
}
