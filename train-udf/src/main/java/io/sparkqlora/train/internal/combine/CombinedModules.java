// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.combine;

import io.sparkqlora.train.Adapter;
import io.sparkqlora.train.AdapterCombination.Type;
import io.sparkqlora.train.AdapterErrors;
import io.sparkqlora.train.NamedTensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;

/** The modules of several adapters, each with those adapters that have it. */
public final class CombinedModules {

    private final Map<String, List<WeightedModule>> modules = new TreeMap<>();

    private CombinedModules() {}

    /**
     * Gathers them.
     *
     * @throws io.sparkqlora.kernels.QLoraException INPUT if two have a module in different shapes
     */
    public static CombinedModules of(List<Adapter> adapters, List<Double> weights) {
        CombinedModules all = new CombinedModules();
        for (int i = 0; i < adapters.size(); i++) {
            all.add(adapters.get(i), weights.get(i));
        }
        return all;
    }

    private void add(Adapter adapter, double weight) {
        Map<String, NamedTensor> tensors =
                adapter.tensors().stream().collect(Collectors.toMap(NamedTensor::name, Function.identity()));
        for (String name : AdapterModule.names(adapter.tensors())) {
            AdapterModule module = AdapterModule.of(
                    tensors.get(AdapterModule.nameOfA(name)), tensors.get(AdapterModule.nameOfB(name)));
            List<WeightedModule> there = modules.computeIfAbsent(name, missing -> new ArrayList<>());
            if (!there.isEmpty()) {
                requireSameShape(name, there.get(0).module(), module);
            }
            there.add(new WeightedModule(module, weight, adapter.config().scaling(name)));
        }
    }

    private static void requireSameShape(String name, AdapterModule one, AdapterModule other) {
        if (one.in() != other.in() || one.out() != other.out()) {
            throw AdapterErrors.shapesDiffer(name, one.out(), one.in(), other.out(), other.in());
        }
    }

    /**
     * Combines them; each is a function of its own matrices alone.
     *
     * @throws io.sparkqlora.kernels.QLoraException CONFIG if ranks of a module differ and the type is linear
     */
    public List<NamedTensor> tensors(Type type, int rank) {
        return modules.entrySet().parallelStream()
                .flatMap(module ->
                        combine(module.getKey(), module.getValue(), type, rank).tensors(module.getKey()).stream())
                .toList();
    }

    private static AdapterModule combine(String name, List<WeightedModule> parts, Type type, int rank) {
        return switch (type) {
            case LINEAR -> {
                if (parts.stream().map(part -> part.module().rank()).distinct().count() > 1) {
                    throw AdapterErrors.ranksDiffer(
                            parts.stream().map(part -> part.module().rank()).toList() + " of " + name);
                }
                yield WeightedModule.linear(parts, rank);
            }
            case CAT -> WeightedModule.cat(parts, rank);
            case SVD -> LowRankSvd.of(parts, rank);
        };
    }
}
