// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * The low-rank parts of frozen linear layers that read one input, each layer with dropout of its own on it: what
 * {@link LoraLinear} and one product do without. {@code drop_i} is {@link Dropout} of the whole matrix with layer i's stream.
 *
 * <p>{@code scratch}, of x's type and columns and of any number of rows, is overwritten where a backend takes pieces of so many
 * rows through it. One that masks what is in its registers leaves it alone.
 */
public interface DroppedLora {

    /**
     * The layers' masks.
     *
     * @param p probability of dropping, in [0, 1)
     * @param seed the run's seed
     * @param streamBase I64 [1], on the device
     * @param streams each layer's, in their order, after {@code streamBase} was added
     */
    record Masks(float p, long seed, Tensor streamBase, List<Integer> streams) {

        public Masks {
            streams = List.copyOf(streams);
        }
    }

    /**
     * {@code t_i = scaling · drop_i(x)·A_iᵀ}.
     *
     * @param x [rows, in]
     * @param a [layers · rank, in], of x's type
     * @param t [rows, layers · rank], of x's type
     */
    void project(Tensor x, Tensor a, float scaling, Masks masks, Tensor scratch, Tensor t);

    /**
     * {@code dA_i += dt_iᵀ·drop_i(x)}.
     *
     * @param dt [rows, layers · rank], of x's type
     * @param x [rows, in]
     * @param gradA F32 [layers · rank, in]
     */
    void gradientOfA(Tensor dt, Tensor x, Masks masks, Tensor scratch, Tensor gradA);

    /**
     * {@code dx += drop_1(dt_1·A_1) + …}: the gradient of inverted dropout is the same operation on the gradient.
     *
     * @param dt [rows, layers · rank], of dx's type
     * @param a [layers · rank, in], likewise
     * @param dx [rows, in]
     */
    void addDropped(Tensor dt, Tensor a, Masks masks, Tensor scratch, Tensor dx);
}
