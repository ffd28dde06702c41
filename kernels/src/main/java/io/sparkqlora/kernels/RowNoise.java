// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Uniform noise on rows, for NEFTune (Jain et al., Noisy Embeddings Improve Instruction Finetuning, 2023). The noise of an
 * element is a function of (seed, stream, its index in the matrix) alone, by Philox 4×32-7.
 */
public interface RowNoise {

    /**
     * {@code x[i, j] += bounds[i] · u}, {@code u} uniform in [−1, 1). Element (i, j) of n columns has index {@code e = i · n + j}.
     * The block at counter ({@code e / 4}, {@code stream}) with key {@code seed}, the lower halves first, has four words: the
     * upper 24 bits of word {@code e mod 4} are {@code 2²³ · (u + 1)}. Product and sum are F32, each rounded.
     *
     * @param x [rows, n], F32, BF16 or F16
     * @param bounds F32 vector [rows]
     * @param seed the run's seed
     * @param streamBase I64 [1], on the device so that recorded operations draw new numbers when they run again
     * @param stream which numbers, after {@code streamBase} was added
     */
    void add(Tensor x, Tensor bounds, long seed, Tensor streamBase, long stream);
}
