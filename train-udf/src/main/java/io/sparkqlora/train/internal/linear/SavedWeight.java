// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.Tensor;

/**
 * The weight of a module that is trained whole, in place of the base's.
 *
 * @param master F32
 * @param value what a pass reads: the master rounded to the type of the pass; of a norm the master itself
 * @param gradient F32
 */
public record SavedWeight(Tensor master, Tensor value, Tensor gradient) {

    /** Has it be the base's. */
    public void begin(Pass pass, Tensor base) {
        pass.ops().elementwise().cast(base, master);
        if (value.dtype() != master.dtype()) {
            pass.ops().elementwise().cast(master, value);
        }
    }

    /** What a pass reads: of {@code saved} where that is there, else of the base. */
    public static Tensor valueOr(SavedWeight saved, Tensor base) {
        return saved == null ? base : saved.value;
    }
}
