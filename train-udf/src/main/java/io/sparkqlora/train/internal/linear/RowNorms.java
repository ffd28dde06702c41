// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Arena;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.train.internal.linear.AdapterLayout.GroupSlots;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;

/**
 * Norms of the rows of {@code W + scaling · B·A} in F32, and magnitudes by norms: what DoRA's layers need beside the adapter. They
 * change with the adapter, so each of its changes is followed by {@link #measure}. The sum is made whole, not from products of its
 * terms: nothing cancels, and it costs no more.
 *
 * @param norms F32 vector, of all rows that have magnitudes
 * @param factors likewise
 */
public record RowNorms(Tensor norms, Tensor factors) {

    /** Takes both for an adapter; null if it has no magnitudes. */
    static RowNorms take(AdapterLayout layout, Arena arena) {
        long rows = layout.normedRows();
        return rows == 0 ? null : new RowNorms(arena.take(DType.F32, 1, rows), arena.take(DType.F32, 1, rows));
    }

    /** Measures the rows of a group's adapted layers with the adapter as it is. Scratch is on the arena. */
    void measure(Pass pass, LinearGroup group, AdapterLayout layout, Tensor parameters) {
        GroupSlots slots = layout.of(group.spec());
        if (slots == null) {
            return;
        }
        for (int i = 0; i < slots.parts().size(); i++) {
            Tensor a = slots.a().get(i).in(parameters);
            Tensor b = slots.b().get(i).in(parameters);
            Tensor of = slots.normed(norms, i);
            float scaling = layout.scaling(group.spec(), slots.parts().get(i));
            group.weight().eachPiece(pass, group.spec(), slots.parts().get(i), (from, rows) -> {
                long to = from + rows.rows();
                pass.ops().matmul().multiply(b.rowRange(from, to), false, a, false, scaling, 1f, rows);
                pass.ops().weightNorm().rowNorms(rows, of.colRange(from, to));
            });
        }
    }

    /** Has the magnitudes be the norms, as a fresh adapter has it. */
    void begin(Pass pass, AdapterLayout layout, Tensor parameters) {
        layout.eachGroup(slots -> {
            for (int i = 0; i < slots.magnitudes().size(); i++) {
                Slot magnitude = slots.magnitudes().get(i);
                pass.ops().elementwise().cast(slots.normed(norms, i), magnitude.in(parameters));
            }
        });
    }

    /** Divides the magnitudes by the norms. */
    void divide(Pass pass, AdapterLayout layout, Tensor parameters) {
        layout.eachGroup(slots -> {
            for (int i = 0; i < slots.magnitudes().size(); i++) {
                Tensor magnitude = slots.magnitudes().get(i).in(parameters);
                pass.ops().weightNorm().divide(magnitude, slots.normed(norms, i), slots.normed(factors, i));
            }
        });
    }
}
