// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.LoraLinear;
import io.sparkqlora.kernels.Matmul;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import io.sparkqlora.kernels.internal.LowRankProducts;
import io.sparkqlora.kernels.internal.cuda.HopperMatmul.Addend;
import java.util.List;

/**
 * The low-rank part as more steps of the base's product: c = a·b + a2·b2, so that nothing is written twice and no product has
 * columns that its tiles don't fill. What that kernel can't do goes another way.
 */
record HopperLoraLinear(HopperMatmul products, LoraGradient gradient, Matmul matmul, LoraLinear otherwise)
        implements LoraLinear {

    @Override
    public void forward(Tensor x, Tensor weight, Tensor t, List<Update> updates, Tensor y) {
        Addend addend = new Addend(
                t,
                updates.stream().map(Update::b).toList(),
                updates.stream().map(Update::from).toList(),
                Math.toIntExact(updates.get(0).b().cols()));
        Product base = new Product(inputs(x, t), false, inputs(weight, t), true, 1f, 0f, y);
        if (products.fits(base, addend)) {
            products.run(base, addend);
        } else if (updates.get(0).runs() > 1) {
            matmul.multiply(base.a(), false, base.b(), true, 1f, 0f, y);
            new LowRankProducts(matmul).add(t, updates, y);
        } else {
            otherwise.forward(x, weight, t, updates, y);
        }
    }

    @Override
    public void backward(
            Tensor dy, Tensor weight, Tensor t, List<Update> updates, float scaling, TensorStack a, Tensor dx) {
        Tensor dt = dx.colRange(dx.cols() - t.cols(), dx.cols());
        if (gradient.fits(dy, t, updates)) {
            gradient.run(dy, t, updates, scaling, dt);
        } else {
            otherwise.backward(dy, null, t, updates, scaling, null, dx);
        }
        if (weight != null) {
            inputGradient(dy, inputs(weight, t), dt, a, inputs(dx, t));
        }
    }

    private void inputGradient(Tensor dy, Tensor weight, Tensor dt, TensorStack a, Tensor dx) {
        Addend addend = a == null ? Addend.NONE : new Addend(dt, List.of(a), List.of(0), Math.toIntExact(dt.cols()));
        Product base = new Product(dy, false, weight, false, 1f, 0f, dx);
        if (products.fits(base, addend)) {
            products.run(base, addend);
            return;
        }
        matmul.multiply(dy, false, weight, false, 1f, 0f, dx);
        if (a != null) {
            new LowRankProducts(matmul).addInputGradient(dt, a, dx);
        }
    }

    /** Without the room for the low-rank part. */
    private static Tensor inputs(Tensor matrix, Tensor t) {
        return matrix.colRange(0, matrix.cols() - t.cols());
    }
}
