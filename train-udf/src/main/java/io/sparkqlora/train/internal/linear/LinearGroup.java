// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Tensor;

/**
 * Forward and backward of linear layers that share their input: {@code y = x·Wᵀ + bias}, with an adapter
 * {@code + scaling · drop(x)·Aᵀ·Bᵀ}.
 *
 * <p>The low-rank part costs no pass of its own over what is wide: {@code x·Wᵀ + t·Bᵀ} with the low-rank activations
 * {@code t = scaling · drop(x)·Aᵀ} is one operation, and so is its backward
 * {@code dy·W + dt·A}. Buffers of inputs and their gradients have room for {@code t} behind the input's own columns; see
 * {@link io.sparkqlora.kernels.LoraLinear}.
 *
 * <p>With DoRA (Liu et al., 2024) {@code y = u · m / ‖W + scaling · B·A‖ + bias}, column by column, {@code u} being the output above
 * without the bias, and the norms constants. The gradient of {@code m} needs {@code u}, which is made again for it: keeping it would
 * take as much memory as everything else that is kept.
 *
 * @param spec names and shapes
 * @param weight the frozen weight
 * @param bias F32 vector [outFeatures], or null; an adapter may have one in its place
 */
public record LinearGroup(GroupSpec spec, BaseWeight weight, Tensor bias) {

    /** Columns that an input buffer must have: the input, then room for the low-rank activations. */
    public int inputWidth(LoraSegments lora) {
        return spec.inFeatures() + lowRankWidth(lora);
    }

    /** Columns of the low-rank activations, 0 without an adapter. */
    public static int lowRankWidth(LoraSegments lora) {
        return lora == null ? 0 : lora.width();
    }

    /** The same with its weight ready for several products; what that takes is on the arena. */
    public LinearGroup held(Pass pass, LoraSegments lora) {
        return new LinearGroup(spec, weight.held(pass, lowRankWidth(lora)), bias);
    }

    /** The input's own columns of such a buffer. */
    public Tensor input(Tensor x) {
        return x.colRange(0, spec.inFeatures());
    }

    private Tensor lowRank(Tensor x) {
        return x.colRange(spec.inFeatures(), x.cols());
    }

    /**
     * Writes the low-rank activations; nothing without an adapter.
     *
     * @param x [rows, {@link #inputWidth}], its input columns filled
     * @param t [rows, {@link #lowRankWidth}]
     */
    public void project(Pass pass, Tensor x, LoraSegments lora, Tensor t) {
        if (lora != null) {
            lora.project(pass, input(x), t);
        }
    }

    /**
     * @param x [rows, {@link #inputWidth}], its input columns filled
     * @param lora the rows' adapters, or null for the base alone
     * @param t what {@link #project} wrote
     * @param y [rows, outFeatures], written
     */
    public void forward(Pass pass, Tensor x, LoraSegments lora, Tensor t, Tensor y) {
        if (decomposed(lora) && lora.dropped()) {
            product(pass, x, null, null, y);
            lora.eachDropped(
                    pass, weight, (dora, segment) -> dora.forward(segment.of(input(x)), segment.of(t), segment.of(y)));
        } else {
            product(pass, x, lora, t, y);
            if (decomposed(lora)) {
                lora.scale(pass, y, y);
            }
        }
        if (lora != null && lora.biased()) {
            lora.addBiases(pass, spec, bias, y);
        } else if (bias != null) {
            pass.ops().elementwise().addBias(y, bias);
        }
    }

    private static boolean decomposed(LoraSegments lora) {
        return lora != null && lora.decomposed();
    }

    private void product(Pass pass, Tensor x, LoraSegments lora, Tensor t, Tensor y) {
        long mark = pass.arena().mark();
        LoraGroup joined = lora == null ? null : lora.joined();
        if (joined != null) {
            weight.forward(pass, x, joined, t, y);
        } else {
            weight.forward(pass, input(x), null, null, y);
        }
        if (lora != null && joined == null) {
            lora.add(pass, t, y);
        }
        pass.arena().release(mark);
    }

    /**
     * Adds to the gradient of the adapters' {@code B} and writes the input's.
     *
     * @param dy gradient of the output
     * @param t what {@link #project} wrote
     * @param inputGradient whether the gradient of the input is needed
     * @param dx [rows, {@link #inputWidth}]: the input's gradient, if needed, in the input's columns; the rest is for
     *     {@link #gradients}
     */
    public void backward(Pass pass, Tensor dy, Tensor t, LoraSegments lora, boolean inputGradient, Tensor dx) {
        long mark = pass.arena().mark();
        if (decomposed(lora) && lora.dropped()) {
            dropped(pass, dy, t, lora, inputGradient, dx);
        } else {
            products(pass, decomposed(lora) ? scaled(pass, dy, lora) : dy, t, lora, inputGradient, dx);
        }
        pass.arena().release(mark);
        if (inputGradient && lora != null && apart(lora)) {
            lora.addInputGradient(pass, lowRank(dx), input(dx));
        }
    }

    private void dropped(Pass pass, Tensor dy, Tensor t, LoraSegments lora, boolean inputGradient, Tensor dx) {
        if (inputGradient) {
            weight.backward(pass, dy, null, null, null, input(dx));
        }
        lora.eachDropped(
                pass,
                weight,
                (dora, segment) -> dora.backward(
                        segment.of(dy),
                        segment.of(t),
                        segment.of(lowRank(dx)),
                        inputGradient ? segment.of(input(dx)) : null));
    }

    /** The gradient of what the factors multiply. */
    private Tensor scaled(Pass pass, Tensor dy, LoraSegments lora) {
        Tensor du = pass.matrix(dy.rows(), dy.cols());
        pass.ops().elementwise().cast(dy, du);
        lora.scale(pass, du, du);
        return du;
    }

    private static boolean apart(LoraSegments lora) {
        return lora.joined() == null || lora.dropped();
    }

    private void products(Pass pass, Tensor dy, Tensor t, LoraSegments lora, boolean inputGradient, Tensor dx) {
        LoraGroup joined = lora == null ? null : lora.joined();
        if (inputGradient && joined != null) {
            weight.backward(pass, dy, t, joined, apart(lora) ? null : joined.a(), dx);
        } else {
            apart(pass, dy, t, lora, inputGradient, dx);
        }
    }

    private void apart(Pass pass, Tensor dy, Tensor t, LoraSegments lora, boolean inputGradient, Tensor dx) {
        if (inputGradient) {
            weight.backward(pass, dy, null, null, null, input(dx));
        }
        if (lora != null) {
            lora.gradientOfB(pass, dy, t, dx);
        }
    }

    /**
     * Adds to the gradients of the adapters' {@code A}, magnitudes and biases, after {@link #backward}; nothing without an adapter.
     *
     * @param x what {@link #forward} read; its low-rank columns are overwritten
     * @param dy what {@link #backward} read
     * @param t what {@link #project} wrote
     * @param dx what {@link #backward} wrote
     */
    public void gradients(Pass pass, Tensor x, Tensor dy, Tensor t, LoraSegments lora, Tensor dx) {
        if (lora == null) {
            return;
        }
        lora.gradientOfA(pass, input(x), lowRank(dx));
        lora.gradientOfBiases(pass, dy);
        if (lora.decomposed() && lora.dropped()) {
            lora.eachDropped(
                    pass,
                    weight,
                    (dora, segment) -> dora.gradientOfMagnitudes(segment.of(input(x)), segment.of(dy), segment.of(t)));
        } else if (lora.decomposed()) {
            long mark = pass.arena().mark();
            Tensor u = pass.matrix(dy.rows(), dy.cols());
            product(pass, x, lora, t, u);
            lora.gradientOfMagnitudes(pass, dy, u);
            pass.arena().release(mark);
        }
    }
}
