// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Tensor;
import java.util.List;

/**
 * The adapters of a group of linear layers. Their {@code A}s lie one under the other, so that without dropout (which each
 * layer draws for itself) one product serves all of them.
 *
 * @param inFeatures columns of the input
 * @param rank of each adapter
 * @param scaling factor on the low-rank product
 * @param a [targets · rank, inFeatures], in the type of the pass
 * @param gradA F32, same shape
 * @param targets the layers that have an adapter
 */
public record LoraGroup(int inFeatures, int rank, float scaling, Tensor a, Tensor gradA, List<Target> targets) {

    /**
     * One adapted layer.
     *
     * @param ordinal the layer's number, for its random stream
     * @param outFrom its first column in the group's output
     * @param b F32 [outFeatures, rank], the master copy
     * @param gradB F32 [outFeatures, rank]
     */
    public record Target(int ordinal, int outFrom, Tensor b, Tensor gradB) {

        private Tensor output(Tensor y) {
            return y.colRange(outFrom, outFrom + b.rows());
        }
    }

    public LoraGroup {
        targets = List.copyOf(targets);
    }

    /** Columns of the low-rank activations: {@code targets · rank}. */
    public int width() {
        return targets.size() * rank;
    }

    /** Writes {@code t = drop(x)·Aᵀ} into the last columns of {@code x}. */
    public void project(Pass pass, Tensor x, DropoutMasks masks) {
        if (masks == null) {
            pass.ops().matmul().linear(input(x), a, lowRank(x));
            return;
        }
        for (int i = 0; i < targets.size(); i++) {
            long mark = pass.arena().mark();
            pass.ops().matmul().linear(dropped(pass, x, masks, i), rows(a, i), slice(lowRank(x), i));
            pass.arena().release(mark);
        }
    }

    /** Writes {@code scaling · B} of each layer into its rows and columns, zeros elsewhere. */
    void writeScaledB(Pass pass, Tensor columns) {
        if (targets.size() > 1 || targets.get(0).b().rows() < columns.rows()) {
            pass.ops().elementwise().zero(columns);
        }
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            Tensor block = columns.rowRange(
                    target.outFrom(), target.outFrom() + target.b().rows());
            pass.ops().elementwise().scale(target.b(), scaling, slice(block, i));
        }
    }

    /** Writes {@code dt = scaling · dy·B} into the last columns of {@code dx}, without the base's gradient. */
    void projectGradient(Pass pass, Tensor dy, Tensor dx) {
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            long mark = pass.arena().mark();
            Tensor b = pass.matrix(target.b().rows(), rank);
            pass.ops().elementwise().scale(target.b(), scaling, b);
            pass.ops().matmul().multiply(target.output(dy), false, b, false, 1f, 0f, slice(lowRank(dx), i));
            pass.arena().release(mark);
        }
    }

    /**
     * {@code dB += scaling · dyᵀ·t}, {@code dA += dtᵀ·drop(x)}, and {@code dx += drop'(dt·A)} if asked for.
     *
     * @param dx its last columns hold {@code dt}
     */
    void backward(Pass pass, Tensor dy, Tensor x, DropoutMasks masks, boolean inputGradient, Tensor dx) {
        for (int i = 0; i < targets.size(); i++) {
            Target target = targets.get(i);
            Tensor t = slice(lowRank(x), i);
            pass.ops().matmul().multiply(target.output(dy), true, t, false, scaling, 1f, target.gradB());
        }
        if (masks == null) {
            pass.ops().matmul().multiply(lowRank(dx), true, input(x), false, 1f, 1f, gradA);
            if (inputGradient) {
                pass.ops().matmul().multiply(lowRank(dx), false, a, false, 1f, 1f, input(dx));
            }
            return;
        }
        for (int i = 0; i < targets.size(); i++) {
            backwardDropped(pass, x, masks, i, inputGradient, dx);
        }
    }

    private void backwardDropped(Pass pass, Tensor x, DropoutMasks masks, int i, boolean inputGradient, Tensor dx) {
        Tensor dt = slice(lowRank(dx), i);
        long mark = pass.arena().mark();
        pass.ops().matmul().multiply(dt, true, dropped(pass, x, masks, i), false, 1f, 1f, rows(gradA, i));
        pass.arena().release(mark);
        if (inputGradient) {
            Tensor through = pass.matrix(x.rows(), inFeatures);
            pass.ops().matmul().multiply(dt, false, rows(a, i), false, 1f, 0f, through);
            drop(pass, through, masks, i, through);
            pass.ops().elementwise().add(input(dx), through, input(dx));
            pass.arena().release(mark);
        }
    }

    private Tensor dropped(Pass pass, Tensor x, DropoutMasks masks, int i) {
        Tensor out = pass.matrix(x.rows(), inFeatures);
        drop(pass, input(x), masks, i, out);
        return out;
    }

    /** The gradient of inverted dropout is the same operation on the gradient. */
    private void drop(Pass pass, Tensor x, DropoutMasks masks, int i, Tensor out) {
        long stream = masks.stream(targets.get(i).ordinal());
        pass.ops().dropout().apply(x, masks.p(), masks.seed(), stream, out);
    }

    private Tensor input(Tensor x) {
        return x.colRange(0, inFeatures);
    }

    private Tensor lowRank(Tensor x) {
        return x.colRange(inFeatures, inFeatures + width());
    }

    private Tensor slice(Tensor columns, int i) {
        return columns.colRange((long) i * rank, (i + 1L) * rank);
    }

    private Tensor rows(Tensor matrix, int i) {
        return matrix.rowRange((long) i * rank, (i + 1L) * rank);
    }
}
