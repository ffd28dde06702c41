// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is added to weights, and what takes the place of others. */
public final class Updates {

    private final Map<String, Update> byWeight = new LinkedHashMap<>();

    private final Map<String, List<NamedTensor>> replaced = new LinkedHashMap<>();

    /**
     * Has {@code scaling · B·A} added to a weight.
     *
     * @param magnitude what lengths its rows are given after it, or null to leave them
     */
    public void add(String weight, NamedTensor a, NamedTensor b, NamedTensor magnitude, double scaling) {
        byWeight.put(weight, new Update(a, b, magnitude, (float) scaling));
    }

    /** Has a tensor that nothing is added to replaced, by one in F32, which may be in pieces. */
    public void replace(String name, List<NamedTensor> by) {
        replaced.put(name, by);
    }

    Map<String, List<NamedTensor>> replaced() {
        return Collections.unmodifiableMap(replaced);
    }

    /** Weights that something is added to. */
    public int size() {
        return byWeight.size();
    }

    Map<String, Update> byWeight() {
        return Collections.unmodifiableMap(byWeight);
    }
}
