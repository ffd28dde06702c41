// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/** {@code out = activation(gate) · up}: SwiGLU or GeGLU (Shazeer, 2020). F32 inside. */
public interface GatedActivation {

    /** The function on the gate. */
    enum Kind {
        /** {@code x · sigmoid(x)}; transformers' {@code silu}. */
        SILU,
        /** The tanh form of GELU; transformers' {@code gelu_pytorch_tanh}. */
        GELU_TANH
    }

    /** All [rows, n]; {@code out} may be {@code gate} or {@code up}. */
    void forward(Tensor gate, Tensor up, Kind kind, Tensor out);

    /**
     * Writes {@code dGate} and {@code dUp}; they may be {@code gate} and {@code up} themselves.
     *
     * @param out what forward wrote, again, to the bit; may be {@code dOut}. Null where it is not needed
     */
    void backward(Tensor dOut, Tensor gate, Tensor up, Kind kind, Tensor dGate, Tensor dUp, Tensor out);
}
