// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal;

import io.sparkqlora.kernels.Elementwise;
import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * Base and low-rank part in one product, for backends whose products are slow where they are thin: with {@code t} beside the
 * input and {@code B} beside the weight {@code [x | t]·[W | B]ᵀ} is the whole output, and {@code dy·[W | scaling · B]} the
 * gradients of both {@code x} and {@code t}.
 */
public record JoinedLoraLinear(Matmul matmul, Elementwise elementwise) implements LoraLinear {

    @Override
    public void forward(Tensor x, Tensor weight, Tensor t, List<Update> updates, Tensor y) {
        elementwise.cast(t, last(x, t.cols()));
        writeB(updates, 1f, last(weight, t.cols()));
        matmul.linear(x, weight, y);
    }

    @Override
    public void backward(Tensor dy, Tensor weight, Tensor t, List<Update> updates, float scaling, Tensor a, Tensor dx) {
        Tensor dt = last(dx, t.cols());
        if (weight == null) {
            for (int i = 0; i < updates.size(); i++) {
                Update update = updates.get(i);
                matmul.multiply(update.output(dy), false, update.b(), false, scaling, 0f, columns(dt, update, i));
            }
        } else {
            writeB(updates, scaling, last(weight, t.cols()));
            matmul.multiply(dy, false, weight, false, 1f, 0f, dx);
        }
        for (int i = 0; i < updates.size(); i++) {
            Update update = updates.get(i);
            matmul.multiply(update.output(dy), true, columns(t, update, i), false, 1f, 1f, update.gradB());
        }
        if (weight != null && a != null) {
            matmul.multiply(dt, false, a, false, 1f, 1f, dx.colRange(0, dx.cols() - t.cols()));
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
            elementwise.scale(update.b(), scale, columns(rows, update, i));
        }
    }

    private static Tensor last(Tensor matrix, long width) {
        return matrix.colRange(matrix.cols() - width, matrix.cols());
    }

    private static Tensor columns(Tensor lowRank, Update update, int i) {
        long rank = update.b().cols();
        return lowRank.colRange(i * rank, (i + 1) * rank);
    }
}
