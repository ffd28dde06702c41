// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.merge;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.WeightSource;
import io.sparkqlora.train.internal.decompose.DecomposedBase;
import io.sparkqlora.train.internal.merge.WeightMerger.Update;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is added to weights, and what takes the place of others. */
public final class Updates {

    private record Tied(String embedding, String head) {}

    private Tied tied;

    private final Map<String, Update> byWeight = new LinkedHashMap<>();

    private final Map<String, List<NamedTensor>> replaced = new LinkedHashMap<>();
    private final DecomposedBase decomposed;

    /** None yet, for weights as they are read. */
    public Updates() {
        this(DecomposedBase.none());
    }

    /** None yet, for weights that are taken apart. */
    public Updates(DecomposedBase decomposed) {
        this.decomposed = decomposed;
    }

    /**
     * Has {@code scaling · B·A} added to a weight.
     *
     * @param magnitude what lengths its rows are given after it, or null to leave them
     */
    public void add(String weight, NamedTensor a, NamedTensor b, NamedTensor magnitude, double scaling) {
        byWeight.put(weight, new Update(a, b, magnitude, (float) scaling));
    }

    /** Has the weight of this name, which is two modules' in the base, be two: one is read under the other name. */
    public void untie(String embedding, String head) {
        tied = new Tied(embedding, head);
    }

    /** The base's weights as they are updated. */
    public WeightSource of(WeightSource base) {
        return tied == null ? base : new UntiedWeights(base, tied.embedding, tied.head);
    }

    /** The base's files with the tensors that they get. */
    public Map<String, List<String>> of(WeightSource base, Map<String, List<String>> tensorsByFile) {
        return tied == null ? tensorsByFile : new UntiedWeights(base, tied.embedding, tied.head).files(tensorsByFile);
    }

    /** Has a base's {@code config.json} say what became of its weights. */
    void configure(ObjectNode config) {
        if (tied != null) {
            config.put("tie_word_embeddings", false);
        }
    }

    /** Has a tensor that nothing is added to replaced, by one in F32, which may be in pieces. */
    public void replace(String name, List<NamedTensor> by) {
        replaced.put(name, by);
    }

    Map<String, List<NamedTensor>> replaced() {
        return Collections.unmodifiableMap(replaced);
    }

    /** Which weights are taken apart first. */
    DecomposedBase decomposed() {
        return decomposed;
    }

    /** Weights that something is added to. */
    public int size() {
        return byWeight.size();
    }

    Map<String, Update> byWeight() {
        return Collections.unmodifiableMap(byWeight);
    }
}
