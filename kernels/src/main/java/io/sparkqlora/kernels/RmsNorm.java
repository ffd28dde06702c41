// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Root-mean-square normalisation (Zhang and Sennrich, 2019), in F32 inside:
 * {@code y = x · rstd · (weight + weightOffset)} with {@code rstd = 1 / sqrt(mean(x²) + eps)} for each row.
 *
 * <p>{@code weightOffset} is 0 for Llama and 1 for Gemma, which stores the weight less one.
 */
public interface RmsNorm {

    /**
     * @param x [rows, n], F32, BF16 or F16
     * @param weight vector [n], F32, BF16 or F16
     * @param y [rows, n]; may be {@code x}
     * @param rstd F32 vector [rows], kept for backward
     */
    void forward(Tensor x, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd);

    /**
     * The same of {@code sum = x + addTo}, which is rounded to its type first: to the bit what adding and then normalising gives.
     *
     * @param addTo [rows, n]
     * @param sum [rows, n]; may be {@code x} or {@code addTo}
     * @param y [rows, n], another tensor
     */
    void addForward(
            Tensor x, Tensor addTo, Tensor sum, Tensor weight, float weightOffset, float eps, Tensor y, Tensor rstd);

    /**
     * The gradient with respect to {@code x} (the weight is frozen):
     * {@code dx = rstd · (g − x · rstd² · mean(g · x))} with {@code g = dy · (weight + weightOffset)}.
     *
     * @param addTo a tensor that is added to the result (the residual's gradient), or null; may be {@code dx}
     * @param dx [rows, n]; may be {@code dy}
     * @param y what forward wrote, again, to the bit: another tensor [rows, n], or null where it is not needed
     */
    void backward(
            Tensor dy, Tensor x, Tensor weight, float weightOffset, Tensor rstd, Tensor addTo, Tensor dx, Tensor y);
}
