// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** Losses of pairs of sequences, of each the first preferred to the second, from what their tokens cost two models. */
public interface PreferenceLoss {

    /**
     * Numbers of a pair, in this order: the loss, the rewards of the chosen and of the rejected sequence, 1 if the chosen one's is
     * higher and 0 if not, their difference, and the log-probabilities that the policy gives to the two.
     */
    int NUMBERS = 7;

    /**
     * Direct preference optimisation's.
     *
     * @param beta how strongly the policy is held to the reference, above 0
     * @param labelSmoothing how likely a preference is the wrong way round, from 0 to below 0.5
     */
    record Dpo(double beta, double labelSmoothing) {}

    /**
     * Rafailov and others, 2023, with Mitchell's conservative labels. With {@code policy(s)} and {@code reference(s)} the sums
     * over a sequence's rows, less one, that is, log-probabilities; rewards {@code r(s) = beta · (policy(s) − reference(s))}; and
     * {@code d = r(chosen) − r(rejected)}:
     *
     * <pre>{@code loss = −(1 − labelSmoothing) · log σ(d) − labelSmoothing · log σ(−d)}</pre>
     *
     * All of it in F64, in a fixed order.
     *
     * @param policy F32 vector [rows]: cross-entropy of each row, in nats
     * @param reference F32 vector [rows]: the same of the reference
     * @param starts I32 vector [2 · pairs + 1]: sequence {@code s} has rows {@code starts[s]} to {@code starts[s + 1]}; pair
     *     {@code p} is sequences {@code 2p}, the chosen one, and {@code 2p + 1}; all rows belong to one
     * @param gradientScale gradients are those of so many times the sum of losses
     * @param gradients F32 vector [rows], written: d losses / d policy
     * @param numbers F64 [pairs, {@link #NUMBERS}], written
     * @param sums F64 [1, {@link #NUMBERS}], added to
     */
    void dpo(
            Tensor policy,
            Tensor reference,
            Tensor starts,
            Dpo settings,
            float gradientScale,
            Tensor gradients,
            Tensor numbers,
            Tensor sums);
}
