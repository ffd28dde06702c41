// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** What is added to weights. */
public final class Updates {

    private final Map<String, Update> byWeight = new LinkedHashMap<>();

    /** Has {@code scaling · B·A} added to a weight. */
    public void add(String weight, NamedTensor a, NamedTensor b, double scaling) {
        byWeight.put(weight, new Update(a, b, (float) scaling));
    }

    /** Weights that something is added to. */
    public int size() {
        return byWeight.size();
    }

    Map<String, Update> byWeight() {
        return Collections.unmodifiableMap(byWeight);
    }
}
