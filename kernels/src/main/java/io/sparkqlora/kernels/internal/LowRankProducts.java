// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.List;

/** The low-rank part of linear layers as products of its own, beside the base's: see {@link io.sparkqlora.kernels.LoraLinear}. */
public record LowRankProducts(Matmul matmul) {

    /** {@code y += t·Bᵀ}. */
    public void add(Tensor t, List<Update> updates, Tensor y) {
        for (int i = 0; i < updates.size(); i++) {
            Update update = updates.get(i);
            TensorStack low = runs(update, columns(t, update, i));
            matmul.multiply(low, false, update.b(), true, 1f, 1f, runs(update, update.output(y)));
        }
    }

    /** {@code dt = scaling · dy·B} and {@code dB += dyᵀ·t}. */
    public void gradients(Tensor dy, Tensor t, List<Update> updates, float scaling, Tensor dt) {
        for (int i = 0; i < updates.size(); i++) {
            Update update = updates.get(i);
            TensorStack own = runs(update, update.output(dy));
            matmul.multiply(own, false, update.b(), false, scaling, 0f, runs(update, columns(dt, update, i)));
        }
        gradientsOfB(dy, t, updates);
    }

    /** {@code dB += dyᵀ·t}. */
    void gradientsOfB(Tensor dy, Tensor t, List<Update> updates) {
        for (int i = 0; i < updates.size(); i++) {
            Update update = updates.get(i);
            TensorStack own = runs(update, update.output(dy));
            matmul.multiply(own, true, runs(update, columns(t, update, i)), false, 1f, 1f, update.gradB());
        }
    }

    /** {@code dx += dt·A}. */
    public void addInputGradient(Tensor dt, TensorStack a, Tensor dx) {
        TensorStack low = TensorStack.runs(dt, a.count());
        matmul.multiply(low, false, a, false, 1f, 1f, TensorStack.runs(dx, a.count()));
    }

    private static TensorStack runs(Update update, Tensor matrix) {
        return TensorStack.runs(matrix, update.runs());
    }

    /** The columns of low-rank activations that are update {@code i}'s. */
    static Tensor columns(Tensor lowRank, Update update, int i) {
        long rank = update.b().cols();
        return lowRank.colRange(i * rank, (i + 1) * rank);
    }
}
