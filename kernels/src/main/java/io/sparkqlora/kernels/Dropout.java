// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Inverted dropout. Whether an element is kept is a function of (seed, stream, its index in the matrix) alone, by
 * Philox 4×32-10 (Salmon et al., 2011), so backward draws the same mask again instead of keeping it.
 */
public interface Dropout {

    /**
     * {@code out = x / (1 − p)} where kept, 0 elsewhere. Element (i, j) of n columns has index {@code e = i · n + j} and is kept
     * if word {@code e mod 4} of the block at counter ({@code e / 4}, {@code stream}) with key {@code seed}, the lower halves
     * first, is at least {@code p · 2^32}.
     *
     * @param p probability of dropping, in [0, 1)
     * @param seed the run's seed
     * @param streamBase I64 [1], on the device so that recorded operations draw new masks when they run again
     * @param stream which mask, after {@code streamBase} was added: a function of step, micro-batch, layer and module
     * @param out may be {@code x}
     */
    void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, Tensor out);
}
