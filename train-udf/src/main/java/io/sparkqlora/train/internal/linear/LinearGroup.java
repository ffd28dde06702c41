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
 * @param spec names and shapes
 * @param weight the frozen weight
 * @param bias F32 vector [outFeatures], or null
 */
public record LinearGroup(GroupSpec spec, BaseWeight weight, Tensor bias) {

    /** Columns that an input buffer must have: the input, then room for the low-rank activations. */
    public int inputWidth(LoraGroup lora) {
        return spec.inFeatures() + lowRankWidth(lora);
    }

    /** Columns of the low-rank activations, 0 without an adapter. */
    public static int lowRankWidth(LoraGroup lora) {
        return lora == null ? 0 : lora.width();
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
     * @param masks dropout, or null for none
     * @param t [rows, {@link #lowRankWidth}]
     */
    public void project(Pass pass, Tensor x, LoraGroup lora, DropoutMasks masks, Tensor t) {
        if (lora != null) {
            lora.project(pass, input(x), masks, t);
        }
    }

    /**
     * @param x [rows, {@link #inputWidth}], its input columns filled
     * @param lora the adapter, or null for the base alone
     * @param t what {@link #project} wrote
     * @param y [rows, outFeatures], written
     */
    public void forward(Pass pass, Tensor x, LoraGroup lora, Tensor t, Tensor y) {
        long mark = pass.arena().mark();
        weight.forward(pass, x, lora, t, y);
        pass.arena().release(mark);
        if (bias != null) {
            pass.ops().elementwise().addBias(y, bias);
        }
    }

    /**
     * Adds to the gradient of the adapter's {@code B} and writes the input's.
     *
     * @param dy gradient of the output
     * @param t what {@link #project} wrote
     * @param inputGradient whether the gradient of the input is needed
     * @param dx [rows, {@link #inputWidth}]: the input's gradient, if needed, in the input's columns; the rest is for
     *     {@link #gradientOfA}
     */
    public void backward(
            Pass pass, Tensor dy, Tensor t, LoraGroup lora, DropoutMasks masks, boolean inputGradient, Tensor dx) {
        long mark = pass.arena().mark();
        Tensor a = lora == null || masks != null ? null : lora.a();
        if (inputGradient) {
            weight.backward(pass, dy, t, lora, a, dx);
        } else if (lora != null) {
            pass.ops().loraLinear().backward(dy, null, t, lora.updates(), lora.scaling(), a, dx);
        }
        pass.arena().release(mark);
        if (lora != null && masks != null && inputGradient) {
            lora.addDropped(pass, lowRank(dx), masks, input(dx));
        }
    }

    /**
     * Adds to the gradient of the adapter's {@code A}, after {@link #backward}; nothing without an adapter.
     *
     * @param x what {@link #project} read
     * @param dx what {@link #backward} wrote
     */
    public void gradientOfA(Pass pass, Tensor x, LoraGroup lora, DropoutMasks masks, Tensor dx) {
        if (lora != null) {
            lora.gradientOfA(pass, input(x), masks, lowRank(dx));
        }
    }
}
