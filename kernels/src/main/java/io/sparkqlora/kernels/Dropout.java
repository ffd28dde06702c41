// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * Inverted dropout. Whether an element is kept is a function of (seed, stream, its index in the matrix) alone, by
 * Philox 4×32-7, so backward draws the same mask again instead of keeping it. Seven rounds are the fewest that pass BigCrush
 * (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011, table 2).
 */
public interface Dropout {

    /**
     * {@code out = x / (1 − q)} where kept, 0 elsewhere, {@code q} being {@code p} rounded to a multiple of 1/32768, below 1.
     * Element (i, j) of n columns has index {@code e = (firstRow + i) · n + j}. The block at counter ({@code e / 8},
     * {@code stream}) with key {@code seed}, the lower halves first, has four words, the lower half of each before the upper: the
     * element is kept if the lower 15 bits of half {@code e mod 8} are at least {@code q · 32768}.
     *
     * @param p probability of dropping, in [0, 1)
     * @param seed the run's seed
     * @param streamBase I64 [1], on the device so that recorded operations draw new masks when they run again
     * @param stream which mask, after {@code streamBase} was added: a function of step, micro-batch, layer and module
     * @param firstRow the row of the whole matrix that is x's first; 0 for the matrix itself
     * @param out may be {@code x}
     */
    void apply(Tensor x, float p, long seed, Tensor streamBase, long stream, long firstRow, Tensor out);
}
