// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Causal softmax attention over sequences of different lengths that lie one after another, without ever holding a whole
 * score matrix. Query head {@code h} reads key/value head {@code h / (heads / kvHeads)}.
 *
 * <p>Query {@code i} of a sequence with {@code n} queries and {@code m ≥ n} keys stands at position {@code m − n + i} and sees
 * the keys up to that position, the last {@code window} of them if a window is set. Scores are
 * {@code scale · q·k}, then {@code softCap · tanh(score / softCap)} if a cap is set.
 *
 * <p>A sequence may have no queries ({@code n = 0}): its keys are passed over, unread. That is how a key/value cache with
 * room behind each of its sequences is used.
 */
public interface Attention {

    /**
     * @param heads query heads
     * @param kvHeads key/value heads; divides {@code heads}
     * @param headDim elements of a head
     * @param scale factor on the scores
     * @param window keys that a query sees, itself included; 0 for all
     * @param softCap bound on the scores; 0 for none
     */
    record Settings(int heads, int kvHeads, int headDim, float scale, int window, float softCap) {}

    /**
     * Where the sequences lie, known to host and device.
     *
     * @param queryStarts host copy: sequence {@code s} owns query rows {@code queryStarts[s]} to {@code queryStarts[s + 1]}
     * @param keyStarts host copy, for the key and value rows
     * @param deviceQueryStarts I32 vector, the same on the device
     * @param deviceKeyStarts I32 vector, the same on the device
     */
    @SuppressWarnings("ArrayRecordComponent")
    record Sequences(int[] queryStarts, int[] keyStarts, Tensor deviceQueryStarts, Tensor deviceKeyStarts) {}

    /**
     * @param q [query rows, heads · headDim], F32, BF16 or F16, any row stride; likewise k, v [key rows, kvHeads · headDim]
     * @param out [query rows, heads · headDim]
     * @param logSumExp F32 [heads, query rows], natural logarithm, kept for backward
     */
    void forward(Tensor q, Tensor k, Tensor v, Sequences sequences, Settings settings, Tensor out, Tensor logSumExp);

    /** Writes {@code dq}, {@code dk}, {@code dv} (shapes of q, k, v), given what forward read and wrote. */
    void backward(
            Tensor dOut,
            Tensor q,
            Tensor k,
            Tensor v,
            Tensor out,
            Tensor logSumExp,
            Sequences sequences,
            Settings settings,
            Tensor dq,
            Tensor dk,
            Tensor dv);
}
