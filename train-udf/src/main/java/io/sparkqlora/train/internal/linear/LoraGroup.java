// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
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
 * @param updates one for each layer that has an adapter; {@code b} in the type of the pass
 * @param ordinals those layers' numbers, for their random streams
 */
public record LoraGroup(
        int inFeatures, int rank, float scaling, Tensor a, Tensor gradA, List<Update> updates, List<Integer> ordinals) {

    public LoraGroup {
        updates = List.copyOf(updates);
        ordinals = List.copyOf(ordinals);
    }

    /** Columns of the low-rank activations: {@code targets · rank}. */
    public int width() {
        return updates.size() * rank;
    }

    /**
     * Writes {@code t = scaling · drop(x)·Aᵀ}.
     *
     * @param x [rows, inFeatures]
     * @param t [rows, width]
     */
    void project(Pass pass, Tensor x, DropoutMasks masks, Tensor t) {
        if (masks == null) {
            pass.ops().matmul().multiply(x, false, a, true, scaling, 0f, t);
            return;
        }
        for (int i = 0; i < updates.size(); i++) {
            long mark = pass.arena().mark();
            Tensor dropped = dropped(pass, x, masks, i);
            pass.ops().matmul().multiply(dropped, false, rows(a, i), true, scaling, 0f, slice(t, i));
            pass.arena().release(mark);
        }
    }

    /** With dropout: {@code dx += drop'(dt·A)}. The gradient of inverted dropout is the same operation on the gradient. */
    void addDropped(Pass pass, Tensor dt, DropoutMasks masks, Tensor dx) {
        long mark = pass.arena().mark();
        Tensor through = pass.matrix(dx.rows(), inFeatures);
        for (int i = 0; i < updates.size(); i++) {
            pass.ops().matmul().multiply(slice(dt, i), false, rows(a, i), false, 1f, 0f, through);
            drop(pass, through, masks, i, through);
            pass.ops().elementwise().add(dx, through, dx);
        }
        pass.arena().release(mark);
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, DropoutMasks masks, Tensor dt) {
        if (masks == null) {
            pass.ops().matmul().multiply(dt, true, x, false, 1f, 1f, gradA);
            return;
        }
        for (int i = 0; i < updates.size(); i++) {
            long mark = pass.arena().mark();
            Tensor dropped = dropped(pass, x, masks, i);
            pass.ops().matmul().multiply(slice(dt, i), true, dropped, false, 1f, 1f, rows(gradA, i));
            pass.arena().release(mark);
        }
    }

    private Tensor dropped(Pass pass, Tensor x, DropoutMasks masks, int i) {
        Tensor out = pass.matrix(x.rows(), inFeatures);
        drop(pass, x, masks, i, out);
        return out;
    }

    private void drop(Pass pass, Tensor x, DropoutMasks masks, int i, Tensor out) {
        pass.ops().dropout().apply(x, masks.p(), masks.seed(), masks.streamBase(), ordinals.get(i), out);
    }

    private Tensor slice(Tensor columns, int i) {
        return columns.colRange((long) i * rank, (i + 1L) * rank);
    }

    private Tensor rows(Tensor matrix, int i) {
        return matrix.rowRange((long) i * rank, (i + 1L) * rank);
    }
}
