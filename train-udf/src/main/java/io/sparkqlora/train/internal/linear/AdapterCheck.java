// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TrainErrors;
import io.sparkqlora.train.internal.linear.AdapterLayout.Slot;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Whether tensors from outside are those of an adapter, before any of them is used. */
public final class AdapterCheck {

    private AdapterCheck() {}

    /**
     * The tensors by name.
     *
     * @param what they are, in words that fit "… does not fit"
     * @param prefixes each slot is expected once behind each of them
     * @throws io.sparkqlora.kernels.QLoraException INPUT if one is missing, too many, or has another shape
     */
    public static Map<String, NamedTensor> byName(
            String what, AdapterLayout layout, List<String> prefixes, List<NamedTensor> tensors) {
        Map<String, NamedTensor> given = new LinkedHashMap<>();
        tensors.forEach(tensor -> given.put(tensor.name(), tensor));
        Set<String> unknown = new LinkedHashSet<>(given.keySet());
        for (String prefix : prefixes) {
            for (Slot slot : layout.slots()) {
                unknown.remove(prefix + slot.name());
                checkOne(what, prefix + slot.name(), slot, given.get(prefix + slot.name()));
            }
        }
        if (!unknown.isEmpty()) {
            throw TrainErrors.adapterMismatch(what, unknown.iterator().next(), "a layer that gets no adapter here");
        }
        return given;
    }

    private static void checkOne(String what, String name, Slot slot, NamedTensor tensor) {
        if (tensor == null) {
            throw TrainErrors.adapterMismatch(what, name, "missing");
        }
        long[] shape = tensor.shape();
        if (tensor.dtype() != DType.F32 || shape.length != 2 || shape[0] != slot.rows() || shape[1] != slot.cols()) {
            throw TrainErrors.adapterMismatch(
                    what, name, tensor + ", expected F32 [" + slot.rows() + ", " + slot.cols() + "]");
        }
    }
}
