// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.LoraGroup.Magnitude;
import io.sparkqlora.train.internal.linear.LoraSegments.Segment;

/**
 * What DoRA adds to a layer's output where dropout drops its input, as PEFT has it: {@code y = x·Wᵀ + (f − 1) · (x̃·Wᵀ) + f · (t·Bᵀ)},
 * {@code f} being the columns' factors, {@code x̃} the dropped input and {@code t = scaling · x̃·Aᵀ}. So the base's product is made of the
 * input and of each layer's dropped one.
 *
 * @param weight of the group
 * @param segment whose rows all matrices are cut to; its layers draw masks
 */
record DroppedDora(Pass pass, BaseWeight weight, Segment segment) {

    /** What to do with an adapted layer. */
    @FunctionalInterface
    private interface Body {
        void run(int i, Update update, Magnitude magnitude);
    }

    /** Adds to {@code y}, which has {@code x·Wᵀ}. */
    void forward(Tensor x, Tensor t, Tensor y) {
        eachLayer((i, update, magnitude) -> {
            Tensor own = update.output(y);
            Tensor z = base(i, update, x);
            pass.ops().weightNorm().scaleColumns(z, magnitude.factors(), -1f, true, own);
            lowRank(i, update, t, 0f, z);
            pass.ops().weightNorm().scaleColumns(z, magnitude.factors(), 0f, true, own);
        });
    }

    /**
     * {@code dt = scaling · (f · dy)·B}, {@code dB += (f · dy)ᵀ·t}, and the gradient of the dropped input through the base.
     *
     * @param dt the low-rank columns behind the input's gradient
     * @param dx the input's gradient, added to; null where it is not needed
     */
    void backward(Tensor dy, Tensor t, Tensor dt, Tensor dx) {
        LoraGroup lora = segment.lora();
        eachLayer((i, update, magnitude) -> {
            Tensor own = update.output(dy);
            Tensor scaled = pass.matrix(own.rows(), own.cols());
            pass.ops().weightNorm().scaleColumns(own, magnitude.factors(), 0f, false, scaled);
            Tensor b = update.b().first();
            pass.ops()
                    .matmul()
                    .multiply(scaled, false, b, false, lora.scalings().get(i), 0f, lora.columns(dt, i));
            Tensor low = lora.columns(t, i);
            pass.ops()
                    .matmul()
                    .multiply(scaled, true, low, false, 1f, 1f, update.gradB().first());
            if (dx != null) {
                pass.ops().weightNorm().scaleColumns(own, magnitude.factors(), -1f, false, scaled);
                Tensor through = pass.matrix(dx.rows(), dx.cols());
                layer(update).backward(pass, scaled, null, null, null, through);
                drop(i, through, through);
                pass.ops().elementwise().add(dx, through, dx);
            }
        });
    }

    /** Adds to the gradients of the magnitudes. */
    void gradientOfMagnitudes(Tensor x, Tensor dy, Tensor t) {
        eachLayer((i, update, magnitude) -> {
            Tensor u = base(i, update, x);
            lowRank(i, update, t, 1f, u);
            pass.ops().weightNorm().gradient(update.output(dy), u, magnitude.norms(), magnitude.gradient());
        });
    }

    private void eachLayer(Body body) {
        LoraGroup lora = segment.lora();
        for (int i = 0; i < lora.updates().size(); i++) {
            long mark = pass.arena().mark();
            body.run(i, lora.updates().get(i), lora.magnitudes().get(i));
            pass.arena().release(mark);
        }
    }

    /** The base's product with the dropped input, in new scratch. */
    private Tensor base(int i, Update update, Tensor x) {
        Tensor z = pass.matrix(x.rows(), update.b().rows());
        long mark = pass.arena().mark();
        Tensor dropped = pass.matrix(x.rows(), x.cols());
        drop(i, x, dropped);
        layer(update).forward(pass, dropped, null, null, z);
        pass.arena().release(mark);
        return z;
    }

    private void lowRank(int i, Update update, Tensor t, float beta, Tensor z) {
        Tensor low = segment.lora().columns(t, i);
        pass.ops().matmul().multiply(low, false, update.b().first(), true, 1f, beta, z);
    }

    private BaseWeight layer(Update update) {
        return weight.layer(update.from(), update.from() + update.b().rows());
    }

    private void drop(int i, Tensor x, Tensor out) {
        DropoutMasks masks = segment.masks();
        int stream = segment.lora().ordinals().get(i);
        pass.ops().dropout().apply(x, masks.p(), masks.seed(), masks.streamBase(), stream, 0, out);
    }
}
