// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.LoraLinear.Update;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The adapters of a group of linear layers. Their {@code A}s lie one under the other, so that without dropout (which each
 * layer draws for itself) one product serves all of them. Rows that are runs of equal length may have an adapter each, whose
 * matrices are stacks then.
 *
 * @param inFeatures columns of the input
 * @param rank of each adapter
 * @param scaling factor on the low-rank product
 * @param a [targets · rank, inFeatures] of each adapter, in the type of the pass
 * @param gradA F32, same shapes
 * @param updates one for each layer that has an adapter; {@code b} in the type of the pass
 * @param ordinals those layers' numbers, for their random streams
 */
public record LoraGroup(
        int inFeatures,
        int rank,
        float scaling,
        TensorStack a,
        TensorStack gradA,
        List<Update> updates,
        List<Integer> ordinals) {

    /** Of the pieces that backends without kernels for dropout take: in a processor's caches, and enough for a product. */
    private static final long SCRATCH_ROWS = 256;

    public LoraGroup {
        updates = List.copyOf(updates);
        ordinals = List.copyOf(ordinals);
    }

    /** These adapters' as one, if their matrices lie at a fixed distance from one adapter to the next. */
    static Optional<LoraGroup> stack(List<LoraGroup> groups) {
        LoraGroup first = groups.get(0);
        Optional<TensorStack> a = stack(groups, group -> group.a);
        Optional<TensorStack> gradA = stack(groups, group -> group.gradA);
        List<Update> updates = new ArrayList<>();
        for (int i = 0; i < first.updates.size(); i++) {
            int update = i;
            Optional<TensorStack> b =
                    stack(groups, group -> group.updates.get(update).b());
            Optional<TensorStack> gradB =
                    stack(groups, group -> group.updates.get(update).gradB());
            if (b.isPresent() && gradB.isPresent()) {
                updates.add(new Update(first.updates.get(i).from(), b.get(), gradB.get()));
            }
        }
        return a.isPresent() && gradA.isPresent() && updates.size() == first.updates.size()
                ? Optional.of(new LoraGroup(
                        first.inFeatures, first.rank, first.scaling, a.get(), gradA.get(), updates, first.ordinals))
                : Optional.empty();
    }

    private static Optional<TensorStack> stack(List<LoraGroup> groups, Function<LoraGroup, TensorStack> matrix) {
        return TensorStack.of(
                groups.stream().map(group -> matrix.apply(group).first()).toList());
    }

    /** Adapters, and so runs of rows. */
    public int runs() {
        return a.count();
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
     * Writes {@code t = scaling · drop(x)·Aᵀ}. Dropout is for one adapter alone.
     *
     * @param x [rows, inFeatures]
     * @param t [rows, width]
     */
    void project(Pass pass, Tensor x, DropoutMasks masks, Tensor t) {
        if (masks == null) {
            pass.ops().matmul().multiply(runs(x), false, a, true, scaling, 0f, runs(t));
            return;
        }
        withScratch(pass, x, scratch -> pass.ops()
                .droppedLora()
                .project(x, a.first(), scaling, masks.of(ordinals), scratch, t));
    }

    /** With dropout: {@code dx += drop'(dt·A)}. */
    void addDropped(Pass pass, Tensor dt, DropoutMasks masks, Tensor dx) {
        withScratch(pass, dx, scratch -> pass.ops()
                .droppedLora()
                .addDropped(dt, a.first(), masks.of(ordinals), scratch, dx));
    }

    /** {@code dA += dtᵀ·drop(x)}. */
    void gradientOfA(Pass pass, Tensor x, DropoutMasks masks, Tensor dt) {
        if (masks == null) {
            pass.ops().matmul().multiply(runs(dt), true, runs(x), false, 1f, 1f, gradA);
            return;
        }
        withScratch(pass, x, scratch -> pass.ops()
                .droppedLora()
                .gradientOfA(dt, x, masks.of(ordinals), scratch, gradA.first()));
    }

    private TensorStack runs(Tensor rows) {
        return TensorStack.runs(rows, runs());
    }

    private void withScratch(Pass pass, Tensor wide, Consumer<Tensor> body) {
        long mark = pass.arena().mark();
        body.accept(pass.matrix(Math.min(SCRATCH_ROWS, wide.rows()), inFeatures));
        pass.arena().release(mark);
    }
}
