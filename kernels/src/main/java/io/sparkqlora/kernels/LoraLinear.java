// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import java.util.List;

/**
 * Frozen linear layers that read one input, {@code y = x·Wᵀ}, with a low-rank update of some of them (LoRA; Hu et al., 2021):
 * {@code y = x·Wᵀ + t·Bᵀ}, where {@code t = scaling · x·Aᵀ} is made by the caller and {@code B} is what the updates' factors
 * are together: blocks on a diagonal, zeros elsewhere. All matrices but gradients of {@code B} are of one type, F32, BF16 or F16.
 *
 * <p>Rows may have adapters of their own: {@code A}, {@code B} and its gradient are stacks of as many matrices as there are adapters, and
 * the rows of all other matrices are runs of equal length, one of each adapter. The weight is the same for all. What others
 * hold changes no bit of a run.
 *
 * <p>{@code x}, {@code dx} and {@code weight} have {@code width} columns more than the layers have inputs, {@code width} being the
 * columns of {@code t}. They are room for a backend that multiplies both parts in one product, and {@code dt} lies in those of
 * {@code dx}.
 */
public interface LoraLinear {

    /**
     * The update of one layer.
     *
     * @param from the layer's first row in the weight, its first column in {@code y}
     * @param b [outFeatures, rank] of each adapter
     * @param gradB F32, same shapes; not read by forward
     */
    record Update(int from, TensorStack b, TensorStack gradB) {

        /** Of one adapter. */
        public Update(int from, Tensor b, Tensor gradB) {
            this(from, TensorStack.of(b), TensorStack.of(gradB));
        }

        /** Adapters, and so runs of rows. */
        public int runs() {
            return b.count();
        }

        /** The layer's own columns of {@code y}. */
        public Tensor output(Tensor y) {
            return y.colRange(from, from + b.rows());
        }
    }

    /**
     * {@code y = x·Wᵀ + t·Bᵀ}.
     *
     * @param x [rows, in + width]
     * @param weight [out, in + width]
     * @param t [rows, width]: {@code rank} columns for each update, in their order
     * @param updates at least one
     * @param y [rows, out]
     */
    void forward(Tensor x, Tensor weight, Tensor t, List<Update> updates, Tensor y);

    /**
     * {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t} for each update, and {@code dx = dy·W + dt·A}.
     *
     * @param weight [out, in + width], or null where the gradient of the input is not needed
     * @param a [width, in] of each adapter, or null to leave the low-rank part out of {@code dx}
     * @param dx [rows, in + width]: the input's gradient, then {@code dt}
     */
    void backward(Tensor dy, Tensor weight, Tensor t, List<Update> updates, float scaling, TensorStack a, Tensor dx);
}
