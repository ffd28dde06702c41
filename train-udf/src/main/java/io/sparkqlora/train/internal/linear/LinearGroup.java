// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Tensor;

/**
 * Forward and backward of linear layers that share their input: {@code y = x·Wᵀ + bias}, with an adapter
 * {@code + scaling · drop(x)·Aᵀ·Bᵀ}.
 *
 * <p>The low-rank part costs no product of its own on the wide side. The input buffer has the low-rank activations
 * {@code t = drop(x)·Aᵀ} as its last columns, the weight has {@code scaling · B}, so {@code [x | t]·[W | s·B]ᵀ} is the whole
 * output, and {@code dy·[W | s·B]} the gradients of both {@code x} and {@code t}; every element is rounded once.
 *
 * @param spec names and shapes
 * @param weight the frozen weight
 * @param bias F32 vector [outFeatures], or null
 */
public record LinearGroup(GroupSpec spec, BaseWeight weight, Tensor bias) {

    /** Columns that an input buffer must have: the input, then the low-rank activations. */
    public int inputWidth(LoraGroup lora) {
        return spec.inFeatures() + (lora == null ? 0 : lora.width());
    }

    /** The input's own columns of such a buffer. */
    public Tensor input(Tensor x) {
        return x.colRange(0, spec.inFeatures());
    }

    /**
     * @param x [rows, {@link #inputWidth}], its input columns filled; the others are written
     * @param lora the adapter, or null for the base alone
     * @param masks dropout, or null for none
     * @param y [rows, outFeatures], written
     */
    public void forward(Pass pass, Tensor x, LoraGroup lora, DropoutMasks masks, Tensor y) {
        if (lora != null) {
            lora.project(pass, x, masks);
        }
        long mark = pass.arena().mark();
        pass.ops().matmul().linear(x, adaptedWeight(pass, lora), y);
        pass.arena().release(mark);
        if (bias != null) {
            pass.ops().elementwise().addBias(y, bias);
        }
    }

    /**
     * Adds to the adapter's gradients and writes the input's.
     *
     * @param dy gradient of the output
     * @param x what forward read and wrote
     * @param inputGradient whether the gradient of the input is needed
     * @param dx [rows, {@link #inputWidth}]: the input's gradient, if needed, in the input's columns; the rest is scratch
     */
    public void backward(
            Pass pass, Tensor dy, Tensor x, LoraGroup lora, DropoutMasks masks, boolean inputGradient, Tensor dx) {
        if (inputGradient) {
            long mark = pass.arena().mark();
            Tensor weight = adaptedWeight(pass, lora);
            pass.ops().matmul().multiply(dy, false, weight, false, 1f, 0f, dx);
            pass.arena().release(mark);
        } else if (lora != null) {
            lora.projectGradient(pass, dy, dx);
        }
        if (lora != null) {
            lora.backward(pass, dy, x, masks, inputGradient, dx);
        }
    }

    private Tensor adaptedWeight(Pass pass, LoraGroup lora) {
        int extra = lora == null ? 0 : lora.width();
        Tensor matrix = weight.matrix(pass, extra);
        if (lora != null) {
            lora.writeScaledB(pass, matrix.colRange(spec.inFeatures(), spec.inFeatures() + extra));
        }
        return matrix;
    }
}
