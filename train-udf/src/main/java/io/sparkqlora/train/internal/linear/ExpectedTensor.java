// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.util.Arrays;
import java.util.List;

/** What a tensor from outside must be. */
public record ExpectedTensor(String name, DType dtype, List<Long> shape) {

    /** The parameters of an adapter. */
    static List<ExpectedTensor> of(AdapterLayout layout) {
        return layout.slots().stream()
                .map(slot -> new ExpectedTensor(slot.name(), DType.F32, shape(slot)))
                .toList();
    }

    /** The shape of a slot's tensor. */
    public static List<Long> shape(Slot slot) {
        return slot.role().vector() ? List.of((long) slot.cols()) : List.of((long) slot.rows(), (long) slot.cols());
    }

    boolean fits(NamedTensor tensor) {
        return tensor.dtype() == dtype
                && Arrays.stream(tensor.shape()).boxed().toList().equals(shape);
    }

    @Override
    public String toString() {
        return dtype + " " + shape;
    }
}
