// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Softmax cross-entropy of rows of logits against one label each. */
public interface CrossEntropy {

    /** Value of a label that does not count. */
    int IGNORE_INDEX = -100;

    /**
     * {@code losses[i] = logSumExp(logits[i, :]) − logits[i, labels[i]]}; 0 where the label is {@link #IGNORE_INDEX}.
     *
     * @param logits [rows, vocabulary], F32 or BF16
     * @param labels I32 vector [rows]
     * @param softCap {@code logits ← softCap · tanh(logits / softCap)} first, 0 for none (Gemma 2)
     * @param losses F32 vector [rows]
     */
    void forward(Tensor logits, Tensor labels, float softCap, Tensor losses);

    /**
     * As {@link #forward}, and replaces {@code logits} by {@code gradientScale · d loss / d logits} (zeros where the label does
     * not count).
     */
    void forwardBackward(Tensor logits, Tensor labels, float softCap, float gradientScale, Tensor losses);
}
