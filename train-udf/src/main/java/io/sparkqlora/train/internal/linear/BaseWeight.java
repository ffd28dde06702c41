// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.QuantizedMatrix;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.List;

/** The frozen weight of a group of linear layers, [outFeatures, inFeatures]. */
public sealed interface BaseWeight {

    /**
     * {@code y = x·Wᵀ + t·Bᵀ}; see {@link LoraLinear}. Scratch is taken from the top of the arena, for the caller to release.
     *
     * @param lora the adapter, or null for the base alone
     */
    void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y);

    /**
     * {@code dt = scaling · dy·B}, {@code dB += dyᵀ·t} and {@code dx = dy·W + dt·A}.
     *
     * @param lora the adapter, or null for the base alone
     * @param a its {@code A}, or null to leave the low-rank part out of {@code dx}
     */
    void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx);

    /**
     * The weight for several products one after another: dequantised into the arena, for the caller to release, where each would
     * dequantise it as a whole otherwise.
     *
     * @param width columns of the low-rank activations
     */
    BaseWeight held(Pass pass, int width);

    /**
     * Kept as it is multiplied.
     *
     * @param storage [outFeatures, inFeatures + the most extra columns ever asked for]
     * @param inFeatures columns of the weight itself
     */
    record Dense(Tensor storage, int inFeatures) implements BaseWeight {

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            if (lora == null) {
                pass.ops().matmul().linear(x, weight(), y);
            } else {
                pass.ops().loraLinear().forward(x, with(lora), t, lora.updates(), y);
            }
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            if (lora == null) {
                pass.ops().matmul().multiply(dy, false, weight(), false, 1f, 0f, dx);
            } else {
                pass.ops().loraLinear().backward(dy, with(lora), t, lora.updates(), lora.scaling(), a, dx);
            }
        }

        @Override
        public BaseWeight held(Pass pass, int width) {
            return this;
        }

        private Tensor with(LoraGroup lora) {
            return storage.colRange(0, inFeatures + lora.width());
        }

        /** The weight without extra columns. */
        public Tensor weight() {
            return storage.colRange(0, inFeatures);
        }
    }

    /** Kept in 4 bits, each layer of the group for itself, and dequantised for each product. */
    record Quantized(List<QuantizedMatrix> parts) implements BaseWeight {

        public Quantized {
            parts = List.copyOf(parts);
        }

        @Override
        public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
            Tensor low = lora == null ? null : t;
            pass.ops().quantizedLinear().forward(x, parts, scratch(pass, lora), low, updates(lora), y);
        }

        @Override
        public void backward(Pass pass, Tensor dy, Tensor t, LoraGroup lora, TensorStack a, Tensor dx) {
            Tensor low = lora == null ? null : t;
            float scaling = lora == null ? 0f : lora.scaling();
            Tensor scratch = scratch(pass, lora);
            pass.ops().quantizedLinear().backward(dy, parts, scratch, low, updates(lora), scaling, a, dx);
        }

        @Override
        public BaseWeight held(Pass pass, int width) {
            if (!pass.device().traits().dequantizesWhole()) {
                return this;
            }
            int in = Math.toIntExact(parts.get(0).cols());
            Tensor storage = pass.matrix(rows(), (long) in + width);
            pass.ops().quantization().dequantize(parts, storage.colRange(0, in));
            return new Dense(storage, in);
        }

        private long rows() {
            return parts.stream().mapToLong(QuantizedMatrix::rows).sum();
        }

        private static List<Update> updates(LoraGroup lora) {
            return lora == null ? List.of() : lora.updates();
        }

        private Tensor scratch(Pass pass, LoraGroup lora) {
            return pass.matrix(rows(), parts.get(0).cols() + (lora == null ? 0 : lora.width()));
        }
    }
}
