// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Softmax cross-entropy of rows of logits against one label each. */
public interface CrossEntropy {

    /** Value of a label that does not count. */
    int IGNORE_INDEX = -100;

    /**
     * {@code losses[i] = logSumExp(logits[i, :]) − logits[i, labels[i]]}; 0 where the label is {@link #IGNORE_INDEX}.
     *
     * @param logits [rows, vocabulary], F32, BF16 or F16
     * @param labels I32 vector [rows]
     * @param softCap {@code logits ← softCap · tanh(logits / softCap)} first, 0 for none (Gemma 2)
     * @param losses F32 vector [rows]
     */
    void forward(Tensor logits, Tensor labels, float softCap, Tensor losses);

    /** As {@link #forwardBackward(Tensor, Tensor, float, float, float, Tensor, Tensor)}, of all rows by one scale. */
    default void forwardBackward(
            Tensor logits, Tensor labels, float softCap, float labelSmoothing, float gradientScale, Tensor losses) {
        forwardBackward(logits, labels, softCap, labelSmoothing, gradientScale, null, losses);
    }

    /**
     * As {@link #forward}, with smoothed labels, and replaces {@code logits} by {@code gradientScale · rowScales[i] · d loss / d
     * logits} (zeros where the label does not count). With {@code s = labelSmoothing} and {@code mean} over the vocabulary,
     * {@code losses[i] = logSumExp(logits[i, :]) − (1 − s) · logits[i, labels[i]] − s · mean(logits[i, :])}: the cross-entropy
     * against a distribution of {@code 1 − s + s / V} at the label and {@code s / V} elsewhere, which is what transformers'
     * {@code LabelSmoother} adds up.
     *
     * @param labelSmoothing from 0, which is {@link #forward}'s loss, to below 1
     * @param rowScales F32 vector [rows], or null for ones
     */
    void forwardBackward(
            Tensor logits,
            Tensor labels,
            float softCap,
            float labelSmoothing,
            float gradientScale,
            Tensor rowScales,
            Tensor losses);
}
