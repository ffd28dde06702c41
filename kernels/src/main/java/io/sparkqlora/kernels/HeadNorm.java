// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Root-mean-square normalisation of each head of queries or keys for itself, all with one weight (Qwen 3). F32 inside; the formulas
 * are those of {@link RmsNorm}. Heads are short, so backward makes {@code rstd} again from what it reads anyway.
 */
public interface HeadNorm {

    /**
     * @param x [rows, heads · n], F32, BF16 or F16, any row stride
     * @param weight vector [n], F32, BF16 or F16; its size says how wide a head is
     * @param weightOffset added to each weight
     * @param eps added to the mean square
     * @param y [rows, heads · n]; may be {@code x}
     */
    void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y);

    /**
     * The gradient with respect to {@code x} (the weight is frozen).
     *
     * @param dy [rows, heads · n]
     * @param x what forward read
     * @param dx [rows, heads · n]; may be {@code dy}
     */
    void backward(Tensor dy, Tensor x, Tensor weight, float weightOffset, float eps, Tensor dx);
}
