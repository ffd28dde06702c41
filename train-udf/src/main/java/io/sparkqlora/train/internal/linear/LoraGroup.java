// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import java.util.List;
import java.util.function.Consumer;

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

    /** Of the pieces that backends without kernels for dropout take: in a processor's caches, and enough for a product. */
    private static final long SCRATCH_ROWS = 256;

    public LoraGroup {
        updates = List.copyOf(updates);
        ordinals = List.copyOf(ordinals);
    }

    /** Columns of the low-rank activations: {@code targets · rank}. */
    public int width() {
        return updates.size() * rank;
    }

    /** The columns of low-rank activations that are update {@code i}'s. */
    Tensor columns(Tensor lowRank, int i) {
        return lowRank.colRange((long) i * rank, (i + 1L) * rank);
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
        withScratch(
                pass, x, scratch -> pass.ops().droppedLora().project(x, a, scaling, masks.of(ordinals), scratch, t));
    }

    /** With dropout: {@code dx += drop'(dt·A)}. */
    void addDropped(Pass pass, Tensor dt, DropoutMasks masks, Tensor dx) {
        withScratch(pass, dx, scratch -> pass.ops().droppedLora().addDropped(dt, a, masks.of(ordinals), scratch, dx));
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, DropoutMasks masks, Tensor dt) {
        if (masks == null) {
            pass.ops().matmul().multiply(dt, true, x, false, 1f, 1f, gradA);
            return;
        }
        withScratch(
                pass, x, scratch -> pass.ops().droppedLora().gradientOfA(dt, x, masks.of(ordinals), scratch, gradA));
    }

    private void withScratch(Pass pass, Tensor wide, Consumer<Tensor> body) {
        long mark = pass.arena().mark();
        body.accept(pass.matrix(Math.min(SCRATCH_ROWS, wide.rows()), inFeatures));
        pass.arena().release(mark);
    }
}
