// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TrainErrors;
import java.util.ArrayList;
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
     * @param others what is expected beside the adapter's parameters
     * @throws io.sparkqlora.kernels.QLoraException INPUT if one is missing, too many, or has another shape or type
     */
    public static Map<String, NamedTensor> byName(
            String what, AdapterLayout layout, List<ExpectedTensor> others, List<NamedTensor> tensors) {
        Map<String, NamedTensor> given = new LinkedHashMap<>();
        tensors.forEach(tensor -> given.put(tensor.name(), tensor));
        Set<String> unknown = new LinkedHashSet<>(given.keySet());
        List<ExpectedTensor> all = new ArrayList<>(ExpectedTensor.of(layout));
        all.addAll(others);
        for (ExpectedTensor expected : all) {
            unknown.remove(expected.name());
            checkOne(what, expected, given.get(expected.name()));
        }
        if (!unknown.isEmpty()) {
            throw TrainErrors.adapterMismatch(what, unknown.iterator().next(), "a layer that gets no adapter here");
        }
        return given;
    }

    private static void checkOne(String what, ExpectedTensor expected, NamedTensor tensor) {
        if (tensor == null) {
            throw TrainErrors.adapterMismatch(what, expected.name(), "missing");
        }
        if (!expected.fits(tensor)) {
            throw TrainErrors.adapterMismatch(what, expected.name(), tensor + ", expected " + expected);
        }
    }
}
