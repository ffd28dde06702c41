// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.List;

/**
 * Base and low-rank part in one product, for backends whose products are slow where they are thin: with {@code t} beside the
 * input and {@code B} beside the weight {@code [x | t]·[W | B]ᵀ} is the whole output, and {@code dy·[W | scaling · B]} the
 * gradients of both {@code x} and {@code t}. Where rows have adapters of their own, the low-rank part is apart.
 */
public record JoinedLoraLinear(Matmul matmul, Elementwise elementwise) implements LoraLinear {

    @Override
    public void forward(Tensor x, Tensor weight, Tensor t, List<Update> updates, Tensor y) {
        if (updates.get(0).runs() > 1) {
            matmul.linear(inputs(x, t), inputs(weight, t), y);
            new LowRankProducts(matmul).add(t, updates, y);
            return;
        }
        elementwise.cast(t, last(x, t.cols()));
        writeB(updates, 1f, last(weight, t.cols()));
        matmul.linear(x, weight, y);
    }

    @Override
    public void backward(
            Tensor dy, Tensor weight, Tensor t, List<Update> updates, float scaling, TensorStack a, Tensor dx) {
        LowRankProducts low = new LowRankProducts(matmul);
        Tensor dt = last(dx, t.cols());
        if (weight == null || updates.get(0).runs() > 1) {
            low.gradients(dy, t, updates, scaling, dt);
            if (weight != null) {
                matmul.multiply(dy, false, inputs(weight, t), false, 1f, 0f, inputs(dx, t));
            }
        } else {
            writeB(updates, scaling, last(weight, t.cols()));
            matmul.multiply(dy, false, weight, false, 1f, 0f, dx);
            low.gradientsOfB(dy, t, updates);
        }
        if (weight != null && a != null) {
            low.addInputGradient(dt, a, inputs(dx, t));
        }
    }

    /** Writes {@code scale · B} of each layer into its rows and columns, zeros elsewhere. */
    private void writeB(List<Update> updates, float scale, Tensor columns) {
        if (updates.size() > 1 || updates.get(0).b().rows() < columns.rows()) {
            elementwise.zero(columns);
        }
        for (int i = 0; i < updates.size(); i++) {
            Update update = updates.get(i);
            Tensor rows =
                    columns.rowRange(update.from(), update.from() + update.b().rows());
            elementwise.scale(update.b().first(), scale, LowRankProducts.columns(rows, update, i));
        }
    }

    private static Tensor last(Tensor matrix, long width) {
        return matrix.colRange(matrix.cols() - width, matrix.cols());
    }

    /** Without the room for the low-rank part. */
    private static Tensor inputs(Tensor matrix, Tensor t) {
        return matrix.colRange(0, matrix.cols() - t.cols());
    }
}
